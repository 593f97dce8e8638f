import { displayWidth } from './display-width.js'
import type { Style } from './style.js'

/**
 * A text behind `lead`, in lines of at most so many columns, broken at spaces; what follows is indented by `indent` columns: by
 * default to stand under its beginning, unless that would leave less than half of the line. A word that is longer than a line
 * stays whole. May be marked with ink.
 */
export function wrap(text: string, width: number, lead = '', indent = displayWidth(lead)): string[] {
  const margin = ' '.repeat(Math.min(indent, Math.floor(Math.min(width, 1_000) / 2)))
  const lines: string[] = []
  let line = lead
  let columns = displayWidth(lead)
  let isEmpty = true
  for (const word of text.split(' ')) {
    const wide = displayWidth(word)
    if (!isEmpty && columns + 1 + wide > width) {
      lines.push(line)
      line = margin + word
      columns = margin.length + wide
    } else {
      line += isEmpty ? word : ` ${word}`
      columns += (isEmpty ? 0 : 1) + wide
    }
    isEmpty = false
  }
  return [...lines, line]
}

/** The same, as wide as the terminal and as one text. */
export const wrapped = ({ width }: Style, text: string, lead?: string, indent?: number): string =>
  wrap(text, width, lead, indent).join('\n')

/** As `style.pairs`, long values in several lines under each other. */
export function wrappedPairs(style: Style, pairs: readonly (readonly [name: string, value: string])[]): string {
  const widest = Math.max(0, ...pairs.map(([name]) => name.length))
  return pairs.map(([name, value]) => wrapped(style, value, `${style.ink('dim', name.padEnd(widest))}  `)).join('\n')
}
