import { createHash } from 'node:crypto'

/** Leaves room for suffixes below the 255 bytes that file systems allow. */
const nameLengthMax = 200
const hashedPrefixLength = 40

// Device names on Windows, with any ending: "con.txt" is the console.
const reserved = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/
/**
 * A file name for any text: different texts give names that differ even where upper and lower case are one, and no
 * name is special to any file system. Ids in small letters stay readable as they are; `Run:7` becomes `run=7+8`.
 *
 * Letters are written small, and a last part `+…` says in hex digits which ones were capitals, one bit each. `:` is
 * written `=`. Everything else but `a-z 0-9 . _ @ -` is `%` and four hex digits. Names that would be too long end in
 * `++` and a hash; `decodeName` does not know those. A run id never is.
 */
export function encodeName(text: string): string {
  const name = text.replace(/[^a-z0-9._@-]/g, encodeUnit)
  const plain = escapeEnd(escapeStart(name)) + capitalBits(text)
  if (plain !== '' && plain.length <= nameLengthMax) return plain
  return `${name.slice(0, hashedPrefixLength)}++${createHash('sha256').update(text, 'utf16le').digest('hex')}`
}

/** The text that `encodeName` made this name of, or `null`: a foreign file, or a text too long to be told. */
export function decodeName(name: string): string | null {
  if (name.includes('++')) return null
  // Nearly all: nothing in them stands for anything else.
  if (!/[%=+]/.test(name)) return encodeName(name) === name ? name : null
  const [body = '', bits = ''] = name.split('+')
  const small = body
    .replaceAll('=', ':')
    .replace(/%([0-9a-f]{4})/g, (_escape, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
  const text = Array.from({ length: small.length }, (_, at) => {
    const isCapital = (Number.parseInt(bits.charAt(at >> 2) || '0', 16) & (8 >> (at & 3))) !== 0
    return isCapital ? small.charAt(at).toUpperCase() : small.charAt(at)
  }).join('')
  return encodeName(text) === name ? text : null
}

function encodeUnit(unit: string): string {
  if (unit >= 'A' && unit <= 'Z') return unit.toLowerCase()
  return unit === ':' ? '=' : escapeUnit(unit)
}

const escapeUnit = (unit: string): string => `%${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

const escapeStart = (name: string): string =>
  name.startsWith('.') || reserved.test(name) ? escapeUnit(name) + name.slice(1) : name

// Windows drops a dot at the end.
const escapeEnd = (name: string): string => (name.endsWith('.') ? name.slice(0, -1) + escapeUnit('.') : name)

/** One bit per character, set for capitals, four to a hex digit, up to the last capital; with its `+`, or nothing. */
function capitalBits(text: string): string {
  if (!/[A-Z]/.test(text)) return ''
  let digits = ''
  for (let start = 0; start < text.length; start += 4) {
    let digit = 0
    for (let at = 0; at < 4; at++) if (/[A-Z]/.test(text.charAt(start + at))) digit |= 8 >> at
    digits += digit.toString(16)
  }
  const used = digits.replace(/0+$/, '')
  return used && `+${used}`
}
