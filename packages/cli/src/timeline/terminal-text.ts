import type { Timeline } from '@reprise/core/replay'
import { displayWidth, fitWidth } from '../output/display-width.js'
import type { Ink } from '../output/markup.js'
import type { Style } from '../output/style.js'
import { duration } from '../output/times.js'
import { wrap } from '../output/wrap.js'
import { clip, type Fate } from './attempt-text.js'
import { type LaneCell, laneCells, longestIn } from './lane-cells.js'
import { remarksOf } from './remarks.js'
import { ticksOf, timeScale } from './time-scale.js'

export interface TerminalOptions {
  /** Columns. */
  readonly width: number
  /** Lanes that are drawn. */
  readonly lanesMax: number
}

const inks: Readonly<Record<Fate, Ink>> = {
  ...{ accepted: 'green', received: 'cyan', out: 'cyan', cancelled: 'yellow', abandoned: 'yellow' },
  ...{ rejected: 'red', expired: 'red' },
}
const levels = '▁▂▃▄▅▆▇█'
const nobody = 'no answer'

/** The timeline for a terminal: a row per lane, and above them who coordinated, in which mode. */
export function terminalText(timeline: Timeline, style: Style, { width, lanesMax }: TerminalOptions): string {
  const { to } = timeline
  const signs = style.unicode ? unicodeSigns : asciiSigns
  const lanes = timeline.lanes.slice(0, lanesMax)
  const labels = lanes.map(({ worker }) => (worker === null ? nobody : style.text(clip(worker))))
  const labelWidth = Math.min(
    Math.max(11, ...labels.map((label) => displayWidth(label))),
    Math.max(11, Math.floor(width / 4)),
  )
  const scale = timeScale(timeline, Math.max(10, width - labelWidth - 1))
  const row = (label: string, cells: string) => {
    const fitted = style.unicode ? fitWidth(label, labelWidth) : label.slice(0, labelWidth)
    return `${style.ink('dim', fitted)}${' '.repeat(Math.max(0, labelWidth - displayWidth(fitted)))} ${cells.trimEnd()}`
  }
  const cells = lanes.map(({ attempts }) => laneCells(attempts, scale, to.at))
  const most = Math.max(1, ...cells.flatMap((lane) => lane.map(({ count }) => count)))
  const until = (end: { readonly at: string } | null) => end?.at ?? to.at
  const modes = longestIn(
    timeline.modes.map((stretch) => ({ what: stretch.mode, from: stretch.from.at, to: until(stretch.to) })),
    scale,
  )
  const coordinators = longestIn(
    timeline.coordinators.map((stretch, i) => ({ what: i, from: stretch.from.at, to: until(stretch.to) })),
    scale,
  )
  const holds = longestIn(
    timeline.holds.map((stretch) => ({ what: stretch.kind, from: stretch.from.at, to: until(stretch.to) })),
    scale,
  )
  const lines = [
    titleOf(timeline, style, width),
    row('', axis(ticksOf(scale, 10), scale.width, signs)),
    row('coordinator', coordinators.map((i, at) => coordinatorSign(i, coordinators[at - 1], signs)).join('')),
    row(
      'mode',
      modes.map((mode) => (mode === null ? signs.none : style.ink(modeInks[mode] ?? 'dim', mode.charAt(0)))).join(''),
    ),
    ...(timeline.holds.length === 0
      ? []
      : [
          row(
            'held',
            holds.map((kind) => (kind === null ? ' ' : style.ink('yellow', kind === 'paused' ? 'P' : 'B'))).join(''),
          ),
        ]),
    ...lanes.map(({ worker }, i) =>
      row(labels[i] ?? '', laneText(cells[i] ?? [], worker === null, most, style, signs)),
    ),
    ...(timeline.lanes.length > lanes.length
      ? [`and ${timeline.lanes.length - lanes.length} more lanes: see them with --lanes, or --html FILE`]
      : []),
    '',
    ...legendOf(timeline, most, style, signs, width),
  ]
  return [...lines, ...remarksOf(timeline).flatMap((remark) => wrap(remark, width))].join('\n')
}

interface Signs {
  readonly level: (count: number, most: number) => string
  readonly nobody: string
  readonly line: string
  readonly none: string
  readonly rejected: string
  readonly tick: string
  readonly levels: string
}
const unicodeSigns: Signs = {
  level: (count, most) => levels.charAt(Math.ceil((count * levels.length) / most) - 1),
  ...{ nobody: '░', line: '─', none: '·', rejected: '×', tick: '╵', levels: '▁ to █' },
}
const asciiSigns: Signs = {
  level: (count) => (count > 9 ? '#' : String(count)),
  ...{ nobody: '.', line: '-', none: '.', rejected: 'x', tick: '|', levels: '1 to 9, #' },
}

const modeInks: Readonly<Record<string, Ink>> = {
  ...{ recovering: 'magenta', dispatching: 'blue', awaiting: 'dim', evaluating: 'cyan', closed: 'bold' },
}

/** Where an attempt ended badly, there is a sign for it: colours alone would not reach everybody. */
const endSign = (ending: Fate | null, signs: Signs): string | null => {
  switch (ending) {
    case 'rejected':
      return signs.rejected
    case 'expired':
      return '!'
    case 'cancelled':
    case 'abandoned':
      return '~'
    default:
      return null
  }
}

function laneText(cells: readonly LaneCell[], isNobody: boolean, most: number, style: Style, signs: Signs): string {
  let text = ''
  let [run, runInk]: [string, Ink | null] = ['', null]
  const flush = () => {
    text += runInk === null ? run : style.ink(runInk, run)
    run = ''
  }
  for (const { count, worst, ending } of cells) {
    const ink = worst === null ? null : inks[worst]
    const sign = count === 0 ? ' ' : (endSign(ending, signs) ?? (isNobody ? signs.nobody : signs.level(count, most)))
    if (ink !== runInk) flush()
    runInk = ink
    run += sign
  }
  flush()
  return text
}

/** A coordinator is a number where its time begins. */
const coordinatorSign = (i: number | null, before: number | null | undefined, signs: Signs): string =>
  i === null ? ' ' : i === before ? signs.line : numberSign(i)

const numberSign = (i: number): string => (i < 35 ? (i + 1).toString(36) : '+')

function axis(ticks: readonly { x: number; label: string }[], width: number, signs: Signs): string {
  let text = ''
  for (const { x, label } of ticks) {
    const mark = `${signs.tick}${label}`
    const at = Math.floor(x)
    if (at + mark.length <= width && at >= text.length) text = text.padEnd(at) + mark
  }
  return text
}

function titleOf({ runId, from, to, closed }: Timeline, style: Style, width: number): string {
  const state = closed === null ? 'open' : closed
  const length = duration(Date.parse(to.at) - Date.parse(from.at))
  const name = style.text(clip(runId))
  const isSameDay = from.at.slice(0, 10) === to.at.slice(0, 10)
  const end = isSameDay ? to.at.slice(11, 19) : to.at.slice(0, 19).replace('T', ' ')
  const when = `${from.at.slice(0, 19).replace('T', ' ')} to ${end} UTC`
  const facts = [`${state}, ${length}, versions ${from.version} to ${to.version}`, when]
  const line = `${name}: ${facts.join(', ')}`
  return line.length <= width
    ? `${style.ink('bold', name)}: ${facts.join(', ')}`
    : [style.ink('bold', fitWidth(name, width)), ...facts].join('\n')
}

const listedMax = 9

function legendOf(timeline: Timeline, most: number, style: Style, signs: Signs, width: number): string[] {
  const used = new Set(timeline.modes.map(({ mode }) => mode))
  const parts = [
    `${signs.levels} attempts at work${most > 1 ? `, up to ${most}` : ''}`,
    `${signs.nobody} nobody answered`,
    `${signs.rejected} rejected`,
    '! expired',
    '~ given up',
    ...[...used].map((mode) => `${mode.charAt(0)} ${mode}`),
    ...(timeline.holds.length > 0 ? ['P paused', 'B blocked'] : []),
  ]
  const lines: string[] = []
  for (const part of parts) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + part.length + 3 <= width) lines[lines.length - 1] = `${last}   ${part}`
    else lines.push(part)
  }
  const coordinators = timeline.coordinators.slice(-listedMax).map(({ id, epoch, reason }, i, listed) => {
    const number = numberSign(timeline.coordinators.length - listed.length + i)
    return fitted(`${number} ${style.text(clip(id))} from version ${epoch} (${style.text(reason)})`, width, style)
  })
  return [...lines.map((line) => style.ink('dim', line)), ...coordinators]
}

const fitted = (text: string, width: number, style: Style): string =>
  style.unicode ? fitWidth(text, width) : text.slice(0, width)
