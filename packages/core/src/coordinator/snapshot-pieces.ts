import { createHash, type Hash } from 'node:crypto'
import { type CapturedState, type SnapshotPosition, snapshotLines } from '../flow/snapshot-text.js'
import { RepriseError } from '../protocol/errors.js'
import { limits } from '../protocol/limits.js'

const digestStart = '{"sha256":"'

/** The last line of a snapshot: the digest of the bytes of all lines before it. Uses up the hash. */
export const snapshotDigestLine = (hash: Hash): string => `${digestStart}${hash.digest('hex')}"}`

export const isDigestLine = (line: string): boolean => line.startsWith(digestStart)

/**
 * A snapshot as text, in pieces that a store can keep. `turn` is awaited before each and behind the last, so that
 * a long one is made between other work, and one that is no longer wanted fails before it is whole. `TOO_LARGE` beyond `limits.snapshotMax`.
 */
export async function* snapshotPieces(
  position: SnapshotPosition,
  captured: CapturedState,
  turn: () => Promise<void>,
): AsyncGenerator<string, void> {
  const hash = createHash('sha256')
  let characters = 0
  let text = ''
  const add = (line: string): void => {
    characters += line.length + 1
    if (characters > limits.snapshotMax) throw tooLarge()
    text += `${line}\n`
  }
  for (const line of snapshotLines(position, captured)) {
    add(line)
    hash.update(`${line}\n`)
    while (text.length >= limits.snapshotPieceMax) {
      await turn()
      const end = pieceEnd(text)
      yield text.slice(0, end)
      text = text.slice(end)
    }
  }
  add(snapshotDigestLine(hash))
  for (; text !== ''; text = text.slice(pieceEnd(text))) {
    await turn()
    yield text.slice(0, pieceEnd(text))
  }
  await turn()
}

/** A character of two units must not be cut: each piece is encoded by itself. */
function pieceEnd(text: string): number {
  const end = Math.min(text.length, limits.snapshotPieceMax)
  const unit = text.charCodeAt(end - 1)
  return end < text.length && unit >= 0xd800 && unit < 0xdc00 ? end - 1 : end
}

const tooLarge = (): RepriseError =>
  new RepriseError(
    'TOO_LARGE',
    `The snapshot has more than ${limits.snapshotMax} characters and is not kept: opening the run reads its whole log. Put large inputs and outputs into artifacts.`,
  )
