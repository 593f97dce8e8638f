import { fitWidth } from './display-width.js'
import { grouped } from './grouped.js'
import type { Style } from './style.js'

/** A value from outside on one line, at most so many columns of it. */
export function excerpt(style: Style, value: string, max: number): string {
  // What cannot be seen anyway need not be measured.
  const isLong = value.length > 4 * max
  return fitWidth(style.text(isLong ? value.slice(0, 4 * max) : value) + (isLong ? '…' : ''), max)
}

/** `1 task`, `2 tasks`, `1,234 tasks`. */
export const counted = (count: number, what: string): string => `${grouped(count)} ${what}${count === 1 ? '' : 's'}`
