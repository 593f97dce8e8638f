import type { AttemptEnd, AttemptSpan } from '@reprise/core/replay'

/** What became of an attempt, for whoever looks at it now. */
export type Fate = AttemptEnd | 'received' | 'out'

export const fateOf = ({ ended, recorded }: AttemptSpan): Fate => ended?.how ?? (recorded === null ? 'out' : 'received')

export const fateWords: Readonly<Record<Fate, string>> = {
  accepted: 'accepted',
  rejected: 'rejected',
  expired: 'expired',
  cancelled: 'cancelled',
  abandoned: 'abandoned',
  received: 'back, not decided',
  out: 'out',
}

/** When work on it was seen: by the worker's account, or from its dispatch until it was given up. */
export function barOf(span: AttemptSpan, endAt: string): { from: string; to: string } {
  if (span.startedAt === null || span.finishedAt === null) {
    return { from: span.dispatched.at, to: span.ended?.at ?? endAt }
  }
  return { from: span.startedAt, to: span.finishedAt }
}

const longest = 200

/** The beginning of a text from outside, which may have any length. */
export const clip = (text: string, most = longest): string =>
  text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`

/** One attempt in one line. */
export function attemptLine(span: AttemptSpan): string {
  const { taskId, attempt, kind, worker, dispatched, startedAt, finishedAt, recorded, ended, refused } = span
  const parts = [`${clip(taskId)} attempt ${attempt} (${clip(kind)}): ${fateWords[fateOf(span)]}`]
  parts.push(`dispatched ${dispatched.at} (version ${dispatched.version})`)
  if (startedAt !== null)
    parts.push(`started ${clip(startedAt, 30)}, finished ${clip(finishedAt ?? '', 30)} by ${clip(worker ?? '')}`)
  if (recorded !== null) parts.push(`recorded ${recorded.at} (version ${recorded.version})`)
  if (ended !== null) parts.push(`${ended.how} ${ended.at} (version ${ended.version})`)
  if (refused > 0) parts.push(`${refused} receipts refused`)
  return parts.join('; ')
}
