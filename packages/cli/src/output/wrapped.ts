import { displayWidth } from './display-width.js'
import type { Style } from './style.js'

/**
 * A text behind `lead`, broken at spaces where the terminal ends; what follows stands under its beginning, unless that
 * would leave less than half of the line. A word that is longer than a line is left to the terminal.
 */
export function wrapped({ width }: Style, text: string, lead: string): string {
  const indent = Math.min(displayWidth(lead), Math.floor(width / 2))
  const lines: string[] = []
  let line = lead
  let isEmpty = true
  for (const word of text.split(' ')) {
    const longer = isEmpty ? line + word : `${line} ${word}`
    if (!isEmpty && displayWidth(longer) > width) {
      lines.push(line)
      line = `${' '.repeat(indent)}${word}`
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
