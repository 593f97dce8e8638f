import { displayWidth } from './display-width.js'

/** A sentence on as many lines of so many columns as it needs, broken at spaces. A longer word has a line of its own. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && displayWidth(last) + displayWidth(word) + 1 <= columns) {
      lines[lines.length - 1] = `${last} ${word}`
    } else {
      lines.push(word)
    }
  }
  return lines
}
