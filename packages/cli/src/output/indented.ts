import type { Style } from './style.js'
import { wrap } from './wrap.js'

/** Behind `lead`, broken where the terminal ends; what follows stands `columns` from its edge. */
export function indented(style: Style, columns: number, text: string, lead = ' '.repeat(columns)): string {
  const width = Math.max(20, style.width - columns)
  return wrap(text, width)
    .map((line, i) => (i === 0 ? lead : ' '.repeat(columns)) + line)
    .join('\n')
}
