import { fitWidth } from './display-width.js'
import { excerpt } from './excerpt.js'
import type { Ink } from './markup.js'
import type { Style } from './style.js'

/** What a line about an event shows. */
export interface EventLine {
  readonly version: number
  readonly index: number
  readonly at: string
  readonly actor: string
  readonly type: string
  readonly sentence: string
}

/** From so many columns on, a line has all its parts; below the other, only version, time of day and sentence. */
const [wideFrom, middleFrom] = [110, 60]
const actorColumns = 22
const typeColumns = 18

/** One event on one line, as wide as the terminal; `whole`: its end is not cut off. */
export function eventLine(event: EventLine, style: Style, whole = false): string {
  const { version, index, at, actor, type } = event
  const isWide = style.width >= wideFrom
  const day = isWide ? at.slice(0, 10) : at.slice(5, 10)
  const before = [String(version).padStart(style.width >= middleFrom ? 6 : 4)]
  if (style.width >= middleFrom) before.push(day)
  before.push(at.slice(11, isWide ? 23 : 19))
  if (isWide) before.push(`#${index}`.padEnd(6), fitWidth(style.text(actor), actorColumns).padEnd(actorColumns))
  const typed = style.width >= middleFrom ? style.text(type).padEnd(typeColumns) : ''
  const start = before.join(' ')
  const left = style.width - start.length - 1 - (typed === '' ? 0 : typed.length + 1)
  const shown = whole ? style.text(event.sentence) : excerpt(style, event.sentence, Math.max(8, left))
  const said = inks[type] === undefined ? shown : style.ink(inks[type], shown)
  return [style.ink('dim', start), ...(typed === '' ? [] : [typed]), said].join(' ')
}

const inks: Readonly<Record<string, Ink>> = {
  'run-opened': 'bold',
  'run-completed': 'green',
  'run-failed': 'red',
  'lock-acquired': 'magenta',
  'lock-released': 'magenta',
  'mode-changed': 'dim',
  'receipt-rejected': 'yellow',
  'task-accepted': 'green',
  'task-rejected': 'red',
  'attempt-expired': 'red',
  'task-abandoned': 'red',
  'task-cancelled': 'yellow',
  'spawn-refused': 'yellow',
  paused: 'yellow',
  blocked: 'red',
  'command-refused': 'yellow',
}
