import { displayWidth } from './display-width.js'
import type { Style } from './style.js'

/**
 * A text behind `lead`, broken at spaces where the terminal ends; what follows is indented by `indent` columns: by default to
 * stand under its beginning, unless that would leave less than half of the line. A word that is longer than a line is left
 * to the terminal.
 */
export function wrapped({ width }: Style, text: string, lead: string, indent = displayWidth(lead)): string {
  const margin = ' '.repeat(Math.min(indent, Math.floor(Math.min(width, 1_000) / 2)))
  const lines: string[] = []
  let line = lead
  let isEmpty = true
  for (const word of text.split(' ')) {
    const longer = isEmpty ? line + word : `${line} ${word}`
    if (!isEmpty && displayWidth(longer) > width) {
      lines.push(line)
      line = margin + word
    } else line = longer
    isEmpty = false
  }
  return [...lines, line].join('\n')
}

/** A name and its value, the values under each other and broken where the terminal ends. */
export function wrappedPairs(style: Style, pairs: readonly (readonly [name: string, value: string])[]): string {
  const widest = Math.max(0, ...pairs.map(([name]) => name.length))
  return pairs.map(([name, value]) => wrapped(style, value, `${style.ink('dim', name.padEnd(widest))}  `)).join('\n')
}
