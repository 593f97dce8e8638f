import { createHash } from 'node:crypto'
import { hashMatches, readRecordShape } from '@reprise/core/adapter'
import { tornMark } from './append-file.js'

/** Where a record begins, whatever stands before it. */
const recordStart = /\{"hash":"([0-9a-f]{64})","commit":(?=\{"index":\d)/g
/** Blocks that a crash of the system left unwritten read as zeros; damage is not so regular. */
const unwrittenBlock = '\0'.repeat(512)

const isIntact = (line: string): boolean => readRecordShape(line) !== null && hashMatches(line)

/**
 * Whether a line that is not an intact record is one that never counted: the remains of a write that failed, alone
 * or with the lines caught behind it. Any other line that is not intact was a commit once, and was damaged.
 *
 * A failed write leaves the beginning of a record without a newline. The next writer that knows of it marks it; one
 * that does not know writes its own record directly behind it, finds that it is not a line, and writes it again.
 */
export function isTornLine(line: string): boolean {
  let body = line
  while (body.endsWith(tornMark)) body = body.slice(0, -1)
  const marked = body.length < line.length
  if (body === '' || body.includes(unwrittenBlock)) return true
  // A newline that became something else behind a marked line.
  for (let at = body.indexOf(tornMark); at !== -1; at = body.indexOf(tornMark, at + 1)) {
    if (body[at + 1] !== tornMark && body[at + 1] !== '{') return false
  }
  for (const start of body.matchAll(recordStart)) {
    const end = intactRecordEnd(body, start.index, start[0].length, start[1] ?? '')
    if (end === body.length) return marked || start.index > 0
    // A whole record with something behind it that is no record: it had its newline once.
    if (end !== -1 && !body.startsWith('{"hash":"', end)) return false
  }
  return marked
}

/** Whether the end of a file without a newline is a whole line whose newline became something else. */
export function hasLostNewline(tail: string): boolean {
  const last = tail.at(-1)
  return last !== '{' && last !== tornMark && isIntact(tail.slice(0, -1))
}

/** Where the intact record that starts at `start` ends, or -1. Hashes the text once, however many ends are possible. */
function intactRecordEnd(text: string, start: number, headLength: number, claimedHash: string): number {
  const hash = createHash('sha256')
  let hashed = start + headLength
  for (let at = text.indexOf('}}', hashed); at !== -1; at = text.indexOf('}}', at + 1)) {
    hash.update(text.slice(hashed, at + 1))
    hashed = at + 1
    if (hash.copy().digest('hex') === claimedHash) return at + 2
  }
  return -1
}
