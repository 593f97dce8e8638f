import type { Style } from './style.js'

/** A value from outside on one line, at most so many characters of it. */
export function excerpt(style: Style, value: string, max: number): string {
  const text = style.text(value.length > 2 * max ? value.slice(0, 2 * max) : value)
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`
}

/** `1 task`, `2 tasks`, `1,234 tasks`. */
export const counted = (count: number, what: string): string =>
  `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`
