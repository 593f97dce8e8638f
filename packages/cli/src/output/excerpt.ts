import { grouped } from './grouped.js'
import type { Style } from './style.js'

/** A value from outside on one line, at most so many characters of it. */
export function excerpt(style: Style, value: string, max: number): string {
  const text = style.text(value.length > 2 * max ? cut(value, 2 * max) : value)
  return text.length <= max ? text : `${cut(text, max - 1)}…`
}

/** Never half of a character that takes two. */
const cut = (text: string, length: number): string => text.slice(0, length).replace(/[\ud800-\udbff]$/, '')

/** `1 task`, `2 tasks`, `1,234 tasks`. */
export const counted = (count: number, what: string): string => `${grouped(count)} ${what}${count === 1 ? '' : 's'}`
