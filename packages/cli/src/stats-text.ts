import type { GroupStats, RunStats, Spread } from '@reprise/core/replay'
import { sparkline } from './output/sparkline.js'
import type { Style } from './output/style.js'
import type { Column } from './output/table.js'
import { duration } from './output/times.js'
import { wrapped, wrappedPairs } from './output/wrap.js'

type Figures = Omit<RunStats, 'refusals'> & { readonly refusals: Readonly<Record<string, number>> }

/** The figures of a run for people. */
export function statsText(stats: Figures, style: Style): string {
  const { total, groups } = stats
  const parts = [head(stats, style), '', latencies(total, style)]
  if (stats.by !== null) parts.push('', groupTable(groups, stats.by, style))
  const remarks = skewRemarks(total)
  if (remarks.length > 0) parts.push('', ...remarks.map((remark) => style.ink('yellow', wrapped(style, remark))))
  return parts.join('\n')
}

function head(stats: Figures, style: Style): string {
  const { runId, version, commits, durationMs, from, tasks, attempts, receipts, refusals, total } = stats
  const rate = stats.acceptedPerMinute === null ? '' : `; ${short(stats.acceptedPerMinute)} accepted a minute`
  const warning = (text: string) => style.ink('yellow', text)
  const refused = Object.entries(refusals).map(([gate, count]) => `${count} at ${style.text(gate)}`)
  return wrappedPairs(style, [
    ['run', style.ink('bold', style.text(runId))],
    ['log', `version ${version}, ${commits} commits`],
    ['time', `${duration(durationMs)} from ${from.slice(0, 19).replace('T', ' ')} UTC`],
    ['tasks', `${counted(tasks)}${rate}`],
    [
      'attempts',
      `${counted(attempts)}${stats.takeOvers > 0 ? `; ${stats.takeOvers} take-over${stats.takeOvers > 1 ? 's' : ''}` : ''}`,
    ],
    ['receipts', counted(receipts)],
    ...(refused.length > 0 ? [['refused', warning(refused.join(', '))] as const] : []),
    ...(stats.keptOut > 0 ? [['kept out', warning(`${stats.keptOut} tasks, by a limit`)] as const] : []),
    ['spend', `${total.tokens} tokens, ${money(total.costUsd)}, ${duration(total.workMs)} of work`],
  ])
}

const counted = (counts: Readonly<Record<string, number>>): string => {
  const parts = Object.entries(counts).filter(([, count]) => count > 0)
  return parts.length === 0 ? 'none' : parts.map(([name, count]) => `${count} ${name}`).join(', ')
}

const money = (usd: number): string => `$${usd.toFixed(usd > 0 && usd < 0.01 ? 6 : 2)}`
const short = (value: number): string => (value >= 100 ? String(Math.round(value)) : value.toPrecision(3))
const ms = (value: number | null): string => (value === null ? '' : duration(value))
const whole = (value: number | null): string => (value === null ? '' : String(value))

const right = (title: string): Column => ({ title, align: 'right' })

/** From so many columns on, tables have all their columns. */
const wideFrom = 70

function latencies(total: GroupStats, style: Style): string {
  const rows: [string, Spread, (value: number | null) => string][] = [
    ['waited', total.toStartMs, ms],
    ['worked', total.durationMs, ms],
    ['to record', total.toRecordMs, ms],
    ['to decide', total.toDecisionMs, ms],
    ['attempts a task', total.attemptsPerTask, whole],
  ]
  const isWide = style.width >= wideFrom
  return style.table(
    [
      { title: '' },
      ...(isWide ? [right('count')] : []),
      right('p50'),
      right('p90'),
      ...(isWide ? [right('p99')] : []),
      right('max'),
      ...(isWide ? [{ title: 'least to greatest' }] : []),
    ],
    rows.map(([name, spread, show]) => [
      name,
      ...(isWide ? [String(spread.count)] : []),
      show(spread.p50),
      show(spread.p90),
      ...(isWide ? [show(spread.p99)] : []),
      show(spread.max),
      ...(isWide ? [style.ink('cyan', sparkline(spread.buckets, style.unicode))] : []),
    ]),
  )
}

function groupTable(groups: readonly GroupStats[], by: string, style: Style): string {
  const isWide = style.width >= wideFrom
  return style.table(
    [
      { title: by, shrinks: true },
      right('ended'),
      right('accepted'),
      right('failed'),
      ...(isWide ? [right('tokens'), right('cost')] : []),
      ...(style.width >= wideFrom + 30 ? [right('waited p90')] : []),
      ...(isWide ? [right('worked p50'), right('p90'), { title: 'worked' }] : []),
    ],
    groups.map((group) => [
      group.name === null ? '(all others)' : group.name === '' ? '(none)' : style.text(group.name),
      String(group.attempts),
      String(group.accepted),
      group.failed > 0 ? style.ink('red', String(group.failed)) : '0',
      ...(isWide ? [String(group.tokens), money(group.costUsd)] : []),
      ...(style.width >= wideFrom + 30 ? [ms(group.toStartMs.p90)] : []),
      ...(isWide
        ? [
            ms(group.durationMs.p50),
            ms(group.durationMs.p90),
            style.ink('cyan', sparkline(group.durationMs.buckets, style.unicode, 8)),
          ]
        : []),
    ]),
  )
}

function skewRemarks({ toStartMs, durationMs, toRecordMs }: GroupStats): string[] {
  const named = [
    ['started before they were dispatched', toStartMs],
    ['finished before they started', durationMs],
    ['were recorded before they finished', toRecordMs],
  ] as const
  return named.flatMap(([what, { below }]) =>
    below === null
      ? []
      : [`Clock skew: ${below.count} attempts ${what}, by up to ${duration(-below.most)}: two clocks do not agree.`],
  )
}
