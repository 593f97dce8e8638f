// Colours inside texts are marked by characters that Unicode reserves for uses like this one, and that no text of anybody
// needs: so everything else that is written can be made harmless at one place, wherever it came from.
const first = 0xfdd0

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
} as const

export type Ink = keyof typeof codes
const inks = Object.keys(codes) as Ink[]
const end = String.fromCharCode(first + inks.length)
const marks = new RegExp(`[\\u{${first.toString(16)}}-\\u{fdef}]`, 'gu')

/** Marks a text. Inks do not nest: the inner one ends the outer one. */
export const ink = (name: Ink, text: string): string =>
  text === '' ? '' : `${String.fromCharCode(first + inks.indexOf(name))}${text}${end}`

/** What was marked, without its marks. */
export const withoutInk = (text: string): string => text.replace(marks, '')

/** The marks as escape sequences, or left out. */
export function paint(text: string, colour: boolean): string {
  if (!colour) return withoutInk(text)
  let open: Ink | undefined
  return text.replace(marks, (mark) => {
    const name = inks[mark.charCodeAt(0) - first]
    const before = open === undefined ? '' : `\u001b[${codes[open][1]}m`
    open = name
    return name === undefined ? before : `${before}\u001b[${codes[name][0]}m`
  })
}
