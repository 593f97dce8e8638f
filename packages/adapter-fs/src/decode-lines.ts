import { isUtf8 } from 'node:buffer'

/** Takes the place of a byte that is not UTF-8. JSON has no raw control character, so no hash is over one. */
const substitute = '\u001a'

/**
 * The lines in `bytes`, which end before the last newline. Decoded so that no two different lines of bytes give the
 * text of one record: the usual decoding turns every damaged byte into U+FFFD, which a record may well contain. Whole
 * characters stay what they are, since an intact record may stand behind a torn one in the same line; and a text has
 * as many bytes as its line.
 */
export function decodeLines(bytes: Buffer): string[] {
  if (isUtf8(bytes)) return bytes.toString('utf8').split('\n')
  return bytes
    .toString('latin1')
    .split('\n')
    .map((line) => decodeLine(Buffer.from(line, 'latin1')))
}

/** As `decodeLines`, of one line. */
export function decodeLine(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const character = bytes.subarray(at, at + lengthBehind(bytes[at] ?? 0))
    const isWhole = isUtf8(character)
    text += isWhole ? character.toString('utf8') : substitute
    at += isWhole ? character.length : 1
  }
  return text
}

/** Bytes of a character that begins with this one, if any does. */
function lengthBehind(lead: number): number {
  if (lead < 0x80) return 1
  if (lead < 0xe0) return 2
  return lead < 0xf0 ? 3 : 4
}
