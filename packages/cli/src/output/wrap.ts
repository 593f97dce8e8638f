import { displayWidth } from './display-width.js'
import type { Style } from './style.js'

const leastWidth = 16

/** A text in lines of at most so many columns, broken between words; a longer word stays whole. May be marked with ink. */
export function wrap(text: string, width: number): string[] {
  if (displayWidth(text) <= width) return [text]
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (line !== '' && displayWidth(longer) > width) {
      lines.push(line)
      line = word
    } else line = longer
  }
  return [...lines, line]
}

/** As `style.pairs`, long values in several lines under each other. */
export function wrappedPairs(style: Style, pairs: readonly (readonly [name: string, value: string])[]): string {
  const indent = Math.max(0, ...pairs.map(([name]) => name.length)) + 2
  const width = Math.max(leastWidth, style.width - indent)
  return style.pairs(pairs.map(([name, value]) => [name, wrap(value, width).join(`\n${' '.repeat(indent)}`)]))
}
