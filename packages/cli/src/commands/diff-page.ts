import type { StateDiff } from '@reprise/core/replay'
import { counted, excerpt } from '../output/excerpt.js'
import { grouped } from '../output/grouped.js'
import type { Style } from '../output/style.js'
import { duration } from '../output/times.js'
import { wrapped, wrappedPairs } from '../output/wrap.js'

const textMax = 300
type Value = StateDiff['fields'][number]['from']

/** What changed, in sections; those in which nothing did are left out. */
export function diffPage(diff: StateDiff, style: Style): string {
  const { from, to, events, takenIn, changed, settled } = diff
  const taskId = (id: string) => style.text(id)
  const sections = [
    headOf(diff, style),
    events === null || events.total === 0 ? 'Nothing lies between.' : eventsOf(events, style),
    section(
      'Run',
      wrappedPairs(
        style,
        diff.fields.map(({ name, ...field }) => [words(name), arrow(field, style)]),
      ),
      style,
    ),
    section('Success criteria', diff.criteria.map((criterion) => criterionOf(criterion, style)).join('\n'), style),
    section('Counts', numbersOf([...diff.counts, ...diff.spent], style), style),
    section(
      `Came in, ${grouped(takenIn.total)}`,
      listOf(takenIn.total, takenIn.tasks, ({ taskId: id, now }) => `${taskId(id)}, now ${now}`, style),
      style,
    ),
    section(
      `Changed, ${grouped(changed.total)}`,
      listOf(
        changed.total,
        changed.tasks,
        ({ taskId: id, fields }) => `${taskId(id)}: ${changesOf(fields, style)}`,
        style,
      ),
      style,
    ),
    section(
      `Settled, ${grouped(settled.total)}`,
      listOf(
        settled.total,
        settled.tasks,
        ({ taskId: id, outcome, from: was }) => `${taskId(id)} ${outcome}${was === null ? '' : `, was ${was}`}`,
        style,
      ),
      style,
    ),
  ]
  const isSame = from.version === to.version
  return (isSame ? sections.slice(0, 2) : sections).filter((text) => text !== '').join('\n\n')
}

function headOf({ runId, from, to }: StateDiff, style: Style): string {
  const name = runId === null ? 'the run' : style.ink('bold', style.text(runId))
  const tookMs = from.at === null || to.at === null ? null : Date.parse(to.at) - Date.parse(from.at)
  const took = tookMs === null ? '' : `, ${duration(tookMs)}`
  return `${name} from version ${from.version} to ${to.version}${took}`
}

function eventsOf({ total, types }: NonNullable<StateDiff['events']>, style: Style): string {
  const list = types.map(({ type, count }) => `${grouped(count)} ${style.text(type)}`).join(', ')
  return wrapped(style, `${counted(total, 'event')}: ${list}`)
}

const section = (title: string, body: string, style: Style): string =>
  body === '' ? '' : `${style.ink('bold', title)}\n${body}`

function criterionOf({ number, text, from, to }: StateDiff['criteria'][number], style: Style): string {
  const what =
    to === null
      ? 'is open again'
      : from === null
        ? `is met: ${excerpt(style, to, textMax)}`
        : `has other evidence: ${excerpt(style, to, textMax)}`
  return wrapped(
    style,
    `${number}. ${excerpt(style, text, textMax)} ${style.ink(to === null ? 'yellow' : 'green', what)}`,
  )
}

function numbersOf(numbers: StateDiff['counts'], style: Style): string {
  if (numbers.length === 0) return ''
  const shown = (value: number) => value.toLocaleString('en', { maximumFractionDigits: 4 })
  return style.table(
    [
      { title: 'of', shrinks: true },
      { title: 'before', align: 'right' },
      { title: 'after', align: 'right' },
      { title: 'change', align: 'right' },
    ],
    numbers.map(({ name, from, to }) => [
      words(name),
      shown(from),
      shown(to),
      `${to > from ? '+' : ''}${shown(to - from)}`,
    ]),
  )
}

function listOf<T>(total: number, tasks: readonly T[], line: (task: T) => string, style: Style): string {
  const lines = tasks.map((task) => wrapped(style, line(task), '  ', 4))
  const more = total - tasks.length
  if (more > 0) lines.push(style.ink('dim', `  … and ${grouped(more)} more: --list NUMBER lists more`))
  return lines.join('\n')
}

const changesOf = (fields: StateDiff['fields'], style: Style): string =>
  fields.map(({ name, ...field }) => `${words(name)} ${arrow(field, style)}`).join(', ')

const arrow = ({ from, to }: { from: Value; to: Value }, style: Style): string =>
  `${style.ink('red', shownValue(from, style))} → ${style.ink('green', shownValue(to, style))}`

const shownValue = (value: Value, style: Style): string =>
  value === null ? 'none' : excerpt(style, String(value), textMax)

/** `pausedReason` as `paused reason`. */
const words = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
