import { isUtf8 } from 'node:buffer'
import { hashMatches, readCommit, readRecordShape } from '../log/commit-record.js'
import type { StoredPiece } from '../ports/commit-log.js'
import type { Commit } from '../protocol/events.js'

/** What a stored piece is by itself, wherever it stands. */
export type PieceKind =
  | { readonly is: 'commit'; readonly commit: Commit; readonly hash: string }
  /** Intact bytes that are no commit all the same. */
  | { readonly is: 'impossible'; readonly why: string }
  /** Was, or was to become, a commit. */
  | { readonly is: 'changed' }
  | { readonly is: 'unfinished' }
  | { readonly is: 'empty' }
  | { readonly is: 'not-utf8' }
  | { readonly is: 'huge'; readonly bytes: number }
  /** Something that no Reprise wrote; `looks` says what it looks like. */
  | { readonly is: 'foreign'; readonly looks: string }

/** Far more than a commit and the torn lines in front of it can be. */
const pieceBytesMax = 16 * 1024 * 1024
/** Of a foreign text that is looked at to say what it is. */
const lookedAtMax = 64 * 1024

export function classifyPiece({ bytes, length, whole }: StoredPiece): PieceKind {
  if (length === 0) return { is: 'empty' }
  if (length > pieceBytesMax) return { is: 'huge', bytes: length }
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!isUtf8(buffer)) return looksLikeRecord(buffer.toString('latin1')) ? { is: 'not-utf8' } : foreign(buffer)
  const text = buffer.toString('utf8')
  const shape = readRecordShape(text)
  if (shape !== null && hashMatches(text)) {
    if (!whole) return { is: 'unfinished' }
    try {
      return { is: 'commit', commit: readCommit(text, shape.index), hash: shape.hash }
    } catch (error) {
      return { is: 'impossible', why: (error as Error).message }
    }
  }
  if (!looksLikeRecord(text)) return text.trim() === '' ? { is: 'empty' } : foreign(buffer)
  return whole ? { is: 'changed' } : { is: 'unfinished' }
}

/** Either end of what surrounds a commit is enough: the other may be what was changed or torn. */
const looksLikeRecord = (text: string): boolean =>
  text.startsWith('{"hash":"') ||
  '{"hash":"'.startsWith(text) ||
  text.includes('","commit":{"index":') ||
  ours.test(text)

/** Remains of a failed write that were marked as such, and blocks that a crash left unwritten. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const ours = /^[\u0000\u0018]|\u0018$|\u0000{512}/

function foreign(buffer: Buffer): PieceKind {
  if (buffer[0] === 0x1f && buffer[1] === 0x8b) return { is: 'foreign', looks: 'a gzip file' }
  if (!isUtf8(buffer)) return { is: 'foreign', looks: 'bytes that are no text' }
  const text = buffer.toString('utf8', 0, lookedAtMax)
  if (!/^\s*[[{"]/.test(text)) return { is: 'foreign', looks: 'text that is no JSON' }
  try {
    const value: unknown = JSON.parse(text)
    const keys = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : []
    return { is: 'foreign', looks: `JSON of something else${keys.length > 0 ? `, with ${namesOf(keys)}` : ''}` }
  } catch {
    return { is: 'foreign', looks: 'a piece of JSON of something else' }
  }
}

const namesOf = (keys: readonly string[]): string =>
  `${keys
    .slice(0, 4)
    .map((key) => JSON.stringify(key.slice(0, 32)))
    .join(', ')}${keys.length > 4 ? ', …' : ''}`
