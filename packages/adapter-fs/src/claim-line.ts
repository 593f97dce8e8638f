import { checkedLine, checkedPayload } from './checked-line.js'

/**
 * What workers write about the offers of a segment. An offer is named by the position of its line. A claim gives
 * the checksum of that line as well: were offers lost with the power and others written in their place, the claims
 * that survived would not be taken for claims on those.
 */
export type ClaimLine =
  | {
      readonly type: 'claim'
      readonly claimant: string
      readonly generation: number
      /** Milliseconds since the epoch, by the worker's clock. For people. */
      readonly sinceMs: number
      /** Position, checksum, position, checksum, … */
      readonly offers: readonly number[]
    }
  | {
      readonly type: 'settle'
      readonly claimant: string
      readonly generation: number
      readonly positions: readonly number[]
    }
  | {
      readonly type: 'give-back'
      readonly claimant: string
      readonly generation: number
      readonly positions: readonly number[]
      /** Not to be claimed sooner after reading this. */
      readonly delayMs: number
    }

/** Compact: there are two of these for every handful of tasks, and everybody on the lane reads them all. */
export function claimLine(line: ClaimLine): string {
  const { claimant, generation } = line
  switch (line.type) {
    case 'claim':
      return checkedLine(JSON.stringify(['c', claimant, generation, line.sinceMs, line.offers]))
    case 'settle':
      return checkedLine(JSON.stringify(['s', claimant, generation, 0, line.positions]))
    case 'give-back':
      return checkedLine(JSON.stringify(['g', claimant, generation, line.delayMs, line.positions]))
  }
}

/** `null` for a line that is not intact. */
export function readClaimLine(text: string): ClaimLine | null {
  const payload = checkedPayload(text)
  if (payload === null) return null
  const [mark, claimant, generation, number, list] = JSON.parse(payload) as [string, string, number, number, number[]]
  if (mark === 'c') return { type: 'claim', claimant, generation, sinceMs: number, offers: list }
  if (mark === 's') return { type: 'settle', claimant, generation, positions: list }
  return { type: 'give-back', claimant, generation, positions: list, delayMs: number }
}
