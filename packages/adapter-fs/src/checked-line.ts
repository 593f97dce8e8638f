import { crc32 } from 'node:zlib'

/** Bytes before the payload: eight hex digits and a space. */
export const checkBytes = 9

const space = 0x20

/**
 * A line that tells by itself whether it is whole: `<crc32 of the payload> <payload>`. No newline inside. The payload
 * may come in two parts, so that a long one need not be copied to be checked.
 */
export const checkedLine = (payload: string, rest = ''): string =>
  `${hex(rest === '' ? crc32(payload) : crc32(rest, crc32(payload)))} ${payload}${rest}`

/** What `checkedLine` was given, or `null` for a torn, merged or foreign line. */
export function checkedPayload(line: string): string | null {
  if (line.length < checkBytes || line.charCodeAt(checkBytes - 1) !== space) return null
  const payload = line.slice(checkBytes)
  return line.startsWith(hex(crc32(payload))) ? payload : null
}

/** The checksum of the line in `bytes` from `start` to `end`, newline excluded, or -1 if the line is not whole. */
export function checkBytesOfLine(bytes: Buffer, start: number, end: number): number {
  if (end - start < checkBytes || bytes[start + checkBytes - 1] !== space) return -1
  let claimed = 0
  for (let i = start; i < start + checkBytes - 1; i++) {
    const digit = hexDigit(bytes[i] ?? 0)
    if (digit === -1) return -1
    claimed = claimed * 16 + digit
  }
  return crc32(bytes.subarray(start + checkBytes, end)) === claimed ? claimed : -1
}

/** The checksum of a line that `checkedLine` made. */
export const checkOf = (line: string): number => Number.parseInt(line.slice(0, checkBytes - 1), 16)

const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Several times as fast as `toString(16)` and padding, and needed for every line. */
const hex = (check: number): string =>
  `${hexOfByte[check >>> 24]}${hexOfByte[(check >>> 16) & 255]}${hexOfByte[(check >>> 8) & 255]}${hexOfByte[check & 255]}`

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1
}

/** Text on one line: at most twice as long. JSON without white space around its values stays as it is. */
export const escapeNewlines = (text: string): string =>
  text.replace(/[\\\n]/g, (character) => (character === '\n' ? '\\n' : '\\\\'))

export const unescapeNewlines = (text: string): string =>
  text.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character))
