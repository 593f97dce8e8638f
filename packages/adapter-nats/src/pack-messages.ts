import { isUtf8 } from 'node:buffer'
import type { InboxMessage } from '@reprise/core/adapter'

const packBytesMax = 512 * 1024
const packCountMax = 256

/** Of the form below. Another form gets a higher one, and is refused by who does not know it. */
const packVersion = 1
const versionDigitsMax = 6

/** A line with the version and the heads as JSON, `1 [[…]]`, then the bodies as they are, one behind the other. */
type Head = readonly [sender: string, seq: number, kind: InboxMessage['kind'], bodyBytes: number]

/** How many of `messages`, from the first, go into one pack. */
export function countForPack(messages: readonly InboxMessage[]): number {
  let bytes = 0
  let count = 0
  for (const { sender, body } of messages) {
    // Three bytes at most for each UTF-16 unit; exact figures would cost a pass over every body.
    bytes += Buffer.byteLength(body) + 3 * sender.length + 64
    if (count > 0 && (bytes > packBytesMax || count === packCountMax)) break
    count++
  }
  return count
}

/** Several messages of one process in one of the server's, which stores all of them or none. */
export function packMessages(messages: readonly InboxMessage[]): Buffer {
  const bodies = messages.map(({ body }) => Buffer.from(body))
  const heads = messages.map(({ sender, seq, kind }, i): Head => [sender, seq, kind, bodies[i]?.length ?? 0])
  return Buffer.concat([Buffer.from(`${packVersion} ${JSON.stringify(heads)}\n`), ...bodies])
}

/** `null` if it is not a pack: somebody else wrote it, or it is damaged. `too-new`: a later version of this library did. */
export function unpackMessages(data: Uint8Array): InboxMessage[] | 'too-new' | null {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const versionEnd = bytes.indexOf(0x20)
  const version = readVersion(bytes.subarray(0, Math.max(0, versionEnd)))
  if (version > packVersion) return 'too-new'
  const lineEnd = bytes.indexOf(0x0a)
  if (version !== packVersion || lineEnd === -1 || !isUtf8(bytes)) return null
  const heads = parseHeads(bytes.subarray(versionEnd + 1, lineEnd).toString())
  if (heads === null) return null
  const messages: InboxMessage[] = []
  let at = lineEnd + 1
  for (const [sender, seq, kind, bodyBytes] of heads) {
    messages.push({ sender, seq, kind, body: bytes.subarray(at, at + bodyBytes).toString() })
    at += bodyBytes
  }
  return at === bytes.length ? messages : null
}

/** 0 if it is none. */
const readVersion = (bytes: Buffer): number =>
  bytes.length <= versionDigitsMax && /^[1-9]\d*$/.test(bytes.toString('latin1')) ? Number(bytes) : 0

function parseHeads(line: string): Head[] | null {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return null
  }
  return Array.isArray(value) && value.length <= packCountMax && value.every(isHead) ? value : null
}

function isHead(value: unknown): value is Head {
  if (!Array.isArray(value) || value.length !== 4) return false
  const [sender, seq, kind, bodyBytes] = value
  return (
    typeof sender === 'string' &&
    Number.isSafeInteger(seq) &&
    seq >= 1 &&
    (kind === 'receipt' || kind === 'command') &&
    Number.isSafeInteger(bodyBytes) &&
    bodyBytes >= 0
  )
}
