import type { Style } from '../output/style.js'
import type { Column } from '../output/table.js'
import { duration } from '../output/times.js'
import type { RunRow } from './run-row.js'

export interface TableOptions {
  readonly style: Style
  readonly long: boolean
  readonly nowMs: number
}

interface Part {
  readonly column: Column
  readonly cell: (row: RunRow) => string
  /** Columns that a terminal must have for it. */
  readonly from?: number
}

/** Rows under titles. A narrow terminal gets fewer columns: what is left of an id must still be one. */
export function runsTable(rows: readonly RunRow[], { style, long, nowMs }: TableOptions): string {
  const since = (at: string | null) => (at === null ? '-' : largestUnit(nowMs - Date.parse(at)))
  const parts: Part[] = [
    { column: { title: 'RUN', shrinks: true }, cell: ({ runId }) => style.ink('bold', style.text(runId)) },
    { column: { title: 'STATUS' }, cell: (row) => statusOf(row, style) },
    { column: { title: 'MODE' }, cell: ({ mode }) => mode ?? '-', from: long ? 120 : 70 },
    { column: { title: 'AGE', align: 'right' }, cell: ({ openedAt }) => since(openedAt) },
    { column: { title: 'OPEN', align: 'right' }, cell: ({ openTasks }) => `${openTasks ?? '-'}` },
    { column: { title: 'HOLDER', shrinks: true }, cell: (row) => holderOf(row, style), from: 60 },
  ]
  const more: Part[] = [
    { column: { title: 'CHANGED', align: 'right' }, cell: ({ at }) => since(at) },
    { column: { title: 'VERSION', align: 'right' }, cell: ({ version }) => `${version ?? '-'}`, from: 140 },
    { column: { title: 'ACCEPTED', align: 'right' }, cell: (row) => share(row.accepted, row.tasks), from: 60 },
    {
      column: { title: 'CRITERIA', align: 'right' },
      cell: ({ criteria }) => share(criteria?.met, criteria?.total),
      from: 140,
    },
    { column: { title: 'GOAL', shrinks: true }, cell: ({ goal }) => style.text(goal ?? '-'), from: 80 },
  ]
  const shown = [...parts, ...(long ? more : [])].filter(({ from = 0 }) => style.width >= from)
  return style.table(
    shown.map(({ column }) => column),
    rows.map((row) => shown.map(({ cell }) => cell(row))),
  )
}

export interface Totals {
  runs: number
  logsRead: number
  unreadable: number
}

/** How many runs there are, what of them is not shown, and what had to be read for it. */
export function runsNote(
  rows: readonly RunRow[],
  { runs, logsRead, unreadable }: Totals,
  { style, place, prefix }: { style: Style; place: string; prefix: string },
): string {
  if (runs === 0)
    return `There are no runs${prefix === '' ? '' : ` that begin with ${style.text(prefix)}`} in ${place}.`
  const shown = rows.length === runs ? counted(runs, 'run') : `${number(rows.length)} of ${counted(runs, 'run')}`
  const read = logsRead === 0 ? 'no log had to be read' : `${counted(logsRead, 'log')} had to be read`
  const bad = unreadable === 0 ? '' : `; ${counted(unreadable, 'log')} cannot be read`
  const problems = rows.flatMap(({ runId, problem }) =>
    problem === null ? [] : [`${style.text(runId)}: ${style.text(problem.message)}`],
  )
  const told = problems.slice(0, problemsMax)
  const others = problems.length - told.length
  return [
    `${shown}; ${read}${bad}.`,
    ...told,
    ...(others === 0 ? [] : [`… and ${number(others)} more: see --json.`]),
  ].join('\n')
}

/** That many are told in full. */
const problemsMax = 5

const statusOf = ({ status, problem }: RunRow, style: Style): string =>
  problem === null ? style.status(status ?? '') : style.ink('red', style.text(problem.code))

function holderOf({ holder }: RunRow, style: Style): string {
  if (holder === null) return '-'
  const name = `${holder.pid}@${style.text(holder.host)}`
  return holder.live ? name : style.ink('yellow', `gone ${name}`)
}

/** `3 d 4 h` as `3 d`: columns of a list are compared, not read. */
const largestUnit = (ms: number): string => duration(ms).split(' ').slice(0, 2).join(' ')

const share = (some: number | null | undefined, all: number | null | undefined): string =>
  some == null || all == null ? '-' : `${some}/${all}`

const number = (value: number): string => value.toLocaleString('en-US')
const counted = (value: number, what: string): string => `${number(value)} ${what}${value === 1 ? '' : 's'}`
