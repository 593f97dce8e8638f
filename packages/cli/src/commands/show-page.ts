import { describeEvent } from '@reprise/core'
import type { OpenTaskJson, RunStateJson } from '@reprise/core/replay'
import { counted, excerpt } from '../output/excerpt.js'
import { grouped } from '../output/grouped.js'
import type { Style } from '../output/style.js'
import { duration } from '../output/times.js'
import { wrapped, wrappedPairs } from '../output/wrap.js'
import type { Shown } from './show-schema.js'

const tasksShown = 20
const eventsShown = 8
const textMax = 300

/** A state on a page. */
export function showPage(shown: Shown, style: Style): string {
  const { state, task } = shown
  if (state === null) return [headOf(shown, style), ...(task === null ? [] : [taskPage(task, style)])].join('\n\n')
  const sections = [
    headOf(shown, style),
    wrappedPairs(style, facts(state, shown.nextAction, style)),
    criteria(state, style),
    ...(['received', 'stopped', 'out', 'planned'] as const).map((phase) => tasks(state, phase, style)),
    events('Recent decisions', state.recent.decisions, style),
    events('Recent troubles', [...state.recent.troubles, ...state.recent.refusals].sort(byVersion), style),
  ]
  return sections.filter((section) => section !== '').join('\n\n')
}

function headOf({ runId, version, commit, read }: Shown, style: Style): string {
  const name = `${style.ink('bold', style.text(runId))} at version ${version}`
  if (commit === null) return `${name}, before its first event`
  const part = commit.folded === commit.events ? '' : `, event ${commit.folded} of ${commit.events}`
  const at = wrapped(style, `${name} (commit ${commit.index}${part}, ${style.text(commit.at)})`)
  const doubt = `A snapshot was left aside: ${excerpt(style, read.dropped ?? '', textMax)}`
  return [at, ...(read.dropped === null ? [] : [style.ink('yellow', doubt)])].join('\n')
}

type Pair = readonly [string, string]

function facts(state: RunStateJson, next: string, style: Style): Pair[] {
  const { holder, counts, spent, policy, checkpoint } = state
  const limit = (max: number | null | undefined) => (max == null ? '' : ` of ${grouped(max)}`)
  const optional = (name: string, value: string | null): Pair[] =>
    value === null ? [] : [[name, excerpt(style, value, textMax)]]
  return [
    ['status', `${style.status(state.status)}, ${state.mode}`],
    ...optional('goal', state.goal === '' ? null : state.goal),
    ...optional('closed', state.closing),
    ...optional('blocked', state.blockedReason),
    ...optional('paused', state.pausedReason),
    ['holder', holder === null ? 'nobody' : `${style.text(holder.id)}, epoch ${state.epoch}`],
    ['tasks', `${counted(counts.tasks, 'task')}: ${tally(counts)}`],
    ['attempts', `${grouped(counts.attempts)}${extras(counts)}`],
    [
      'spent',
      `${grouped(spent.tokens)}${limit(policy?.tokensMax)} tokens, ${Number(spent.costUsd).toFixed(2)}${limit(policy?.costUsdMax)} USD`,
    ],
    ...(state.round === 0 ? [] : [['round', String(state.round)] as const]),
    ...optional('checkpoint', checkpoint === null ? null : `${checkpoint.dueAt} ${checkpoint.note}`),
    ['next', excerpt(style, next, textMax)],
  ]
}

function tally(counts: RunStateJson['counts']): string {
  const names = ['out', 'received', 'stopped', 'planned', 'accepted', 'cancelled', 'abandoned'] as const
  const parts = names.flatMap((name) => (counts[name] === 0 ? [] : [`${counts[name].toLocaleString('en')} ${name}`]))
  return parts.length === 0 ? 'none' : parts.join(', ')
}

function extras(counts: RunStateJson['counts']): string {
  const parts = [
    counts.retries === 0 ? '' : `${grouped(counts.retries)} of them again`,
    counts.expired === 0 ? '' : `${grouped(counts.expired)} expired`,
    counts.receiptsRejected === 0 ? '' : `${counted(counts.receiptsRejected, 'receipt')} refused`,
    counts.spawnsRefused === 0 ? '' : `${counted(counts.spawnsRefused, 'task')} kept out`,
    counts.commandsRefused === 0 ? '' : `${counted(counts.commandsRefused, 'command')} refused`,
  ]
  return parts.flatMap((part) => (part === '' ? [] : [`, ${part}`])).join('')
}

function criteria(state: RunStateJson, style: Style): string {
  if (state.criteria.length === 0) return ''
  const lines = state.criteria.flatMap(({ number, text, met }) => [
    `  ${met === null ? style.ink('yellow', '○') : style.ink('green', '●')} ${number}. ${excerpt(style, text, textMax)}`,
    ...(met === null
      ? []
      : [style.ink('dim', `      ${excerpt(style, met.evidence, textMax)} (version ${met.version})`)]),
  ])
  const met = state.criteria.filter(({ met }) => met !== null).length
  return [
    title(`Success criteria, ${met} of ${lines.length === 0 ? 0 : state.criteria.length} met`, style),
    ...lines,
  ].join('\n')
}

function tasks(state: RunStateJson, phase: OpenTaskJson['phase'], style: Style): string {
  const all = state.tasks.filter((task) => task.phase === phase)
  if (all.length === 0) return ''
  const columns = [
    { title: 'task', shrinks: true as const },
    { title: 'kind', shrinks: true as const },
    { title: 'attempt', align: 'right' as const },
    { title: { received: 'receipt', stopped: 'why', out: 'due', planned: 'waits for' }[phase], shrinks: true as const },
  ]
  const rows = all.slice(0, tasksShown).map((task) => {
    const most = task.spec.attemptsMax ?? state.policy?.attemptsMax ?? '?'
    return [
      style.text(task.taskId),
      style.text(task.spec.kind),
      `${task.attempt}/${most}`,
      excerpt(style, note(task, state), textMax),
    ]
  })
  const more = all.length - rows.length
  const rest = more === 0 ? [] : [style.ink('dim', `… and ${grouped(more)} more: --json has them all`)]
  return [
    title(`${phase[0]?.toUpperCase()}${phase.slice(1)}, ${grouped(all.length)}`, style),
    style.table(columns, rows),
    ...rest,
  ].join('\n')
}

function note(task: OpenTaskJson, state: RunStateJson): string {
  switch (task.phase) {
    case 'received':
      return `${task.receipt?.status} from ${task.receipt?.worker.id}`
    case 'stopped':
      return task.stopReason ?? ''
    case 'out': {
      if (task.deadlineAt === null || state.at === null) return ''
      const leftMs = Date.parse(task.deadlineAt) - Date.parse(state.at)
      return leftMs < 0 ? `${duration(-leftMs)} ago` : `in ${duration(leftMs)}`
    }
    case 'planned':
      if (task.waitingFor > 0) return `${task.waitingFor} of ${task.spec.after.join(', ')}`
      return task.notBefore ?? 'a slot'
  }
}

function events(name: string, kept: RunStateJson['recent']['notes'], style: Style): string {
  if (kept.length === 0) return ''
  const rows = kept.slice(-eventsShown).map(({ version, at, event }) => {
    const says = excerpt(style, describeEvent(event as Parameters<typeof describeEvent>[0]), textMax)
    return style.width < 72 ? [String(version), says] : [String(version), style.text(at), says]
  })
  const time = style.width < 72 ? [] : [{ title: 'time' }]
  const columns = [{ title: 'version', align: 'right' as const }, ...time, { title: 'what', shrinks: true as const }]
  return [title(name, style), style.table(columns, rows)].join('\n')
}

function taskPage({ taskId, open, settled }: NonNullable<Shown['task']>, style: Style): string {
  const name: Pair = ['task', style.ink('bold', style.text(taskId))]
  if (settled !== null)
    return wrappedPairs(style, [name, ['outcome', settled.outcome], ['depth', String(settled.depth)]])
  if (open === null) return wrappedPairs(style, [name])
  const { phase, attempt, spec, deadlineAt, dispatchedAt, notBefore, receipt, stopReason, changedAt } = open
  const optional = (title: string, value: string | null): Pair[] =>
    value === null ? [] : [[title, excerpt(style, value, textMax)]]
  return wrappedPairs(style, [
    name,
    ['phase', `${phase}, attempt ${attempt}, since version ${changedAt}`],
    [
      'kind',
      `${style.text(spec.kind)} on lane ${style.text(spec.lane)}, priority ${spec.priority}, depth ${spec.depth}`,
    ],
    ...optional('after', spec.after.length === 0 ? null : spec.after.join(', ')),
    ...optional('not before', notBefore),
    ...optional('dispatched', dispatchedAt),
    ...optional('due', deadlineAt),
    ...optional('stopped', stopReason),
    ...optional(
      'receipt',
      receipt === null ? null : `${receipt.status} from ${receipt.worker.id}: ${JSON.stringify(receipt.output)}`,
    ),
    ...optional('error', receipt?.error?.message ?? null),
    ...optional('input', JSON.stringify(spec.input)),
  ])
}

const title = (text: string, style: Style): string => style.ink('bold', text)
const byVersion = (a: { version: number }, b: { version: number }): number => a.version - b.version
