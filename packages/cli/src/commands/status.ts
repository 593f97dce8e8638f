import { type RunOverview, runOverview, runOverviewSchema } from '@reprise/core/replay'
import { defineCommand } from '../command.js'
import { ofKnownRun } from '../known-run.js'
import type { Style } from '../output/style.js'
import { duration } from '../output/times.js'
import { wrappedPairs } from '../output/wrap.js'
import { runIdOf } from '../read-values.js'

export const status = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run' } },
  options: {},
  details:
    'Folds the log of the run, from its snapshot if there is one, and asks whether who holds it is alive. Changes nothing of the run; of a long log, states may be kept beside it, as by `reprise show`.',
  examples: [{ line: 'status digest-src', says: 'where the run stands, who holds it, and what to do next' }],
  output: 'document',
  schema: runOverviewSchema,
  run: async (context, { args }): Promise<RunOverview> => {
    const runId = runIdOf(args.RUN)
    const adapter = await context.open()
    return ofKnownRun(context, runId, () => runOverview({ adapter, runId, signal: context.signal }))
  },
  human: (run, style) =>
    wrappedPairs(style, [
      ['run', style.ink('bold', style.text(run.runId))],
      ['goal', style.text(run.goal)],
      ['status', `${style.status(run.status)}${run.reason === null ? '' : `: ${style.text(run.reason)}`}`],
      ['mode', `${run.mode}, round ${run.round}, version ${run.version}, epoch ${run.epoch}`],
      ['age', `${duration(run.ageMs)}, newest event ${duration(run.quietMs)} ago`],
      ...(run.mode === 'closed' ? [] : [['holder', holderText(run, style)] as const]),
      ['open', openText(run)],
      ['settled', settledText(run)],
      ['attempts', attemptsText(run)],
      ...criteriaText(run, style),
      ['budgets', budgetText(run)],
      ...checkpointText(run, style),
      ...run.blockers.map((blocker) => ['blocked by', style.ink('yellow', style.text(blocker))] as const),
      ['next', style.text(run.nextAction)],
      ...run.unlearnt.map((why) => ['not known', style.text(why)] as const),
    ]),
})

function holderText({ holder, takingOver }: RunOverview, style: Style): string {
  const next = takingOver === null ? '' : `; ${style.text(takingOver)} is taking it over`
  if (holder === null) return `nobody${next}`
  const { id, host, pid, since, alive, heartbeatAt } = holder
  const life =
    alive === null
      ? style.ink('yellow', 'whether it is alive is not known')
      : alive
        ? `${style.ink('green', 'alive')}${heartbeatAt === null ? '' : `, last seen ${style.text(heartbeatAt)}`}`
        : style.ink('red', 'gives no sign of life')
  return `${style.text(id)} (process ${pid} on ${style.text(host)}) since ${since}: ${life}${next}`
}

const openText = ({ counts: { planned, out, received, stopped } }: RunOverview): string =>
  `${planned + out + received + stopped}: ${planned} planned, ${out} out, ${received} to evaluate, ${stopped} stopped`

const settledText = ({ counts: { accepted, cancelled, abandoned, tasks } }: RunOverview): string =>
  `${accepted + cancelled + abandoned} of ${tasks}: ${accepted} accepted, ${cancelled} cancelled, ${abandoned} abandoned`

const attemptsText = ({ counts: { attempts, retries, expired, receiptsRejected, spawnsRefused } }: RunOverview) =>
  `${attempts}: ${retries} retries, ${expired} expired; ${receiptsRejected} receipts refused, ${spawnsRefused} tasks kept out`

function criteriaText({ criteria }: RunOverview, style: Style): (readonly [string, string])[] {
  const met = criteria.filter(({ evidence }) => evidence !== null).length
  const lines = criteria.map(({ number, text, evidence }) => {
    const mark = evidence === null ? style.ink('yellow', 'open') : style.ink('green', 'met')
    return [
      '',
      `${number}. ${mark} ${style.text(text)}${evidence === null ? '' : ` — ${style.text(evidence)}`}`,
    ] as const
  })
  return [['criteria', criteria.length === 0 ? 'none' : `${met} of ${criteria.length} met`], ...lines]
}

function budgetText({ budgets }: RunOverview): string {
  const names = { tasks: 'tasks', inFlight: 'out at once', tokens: 'tokens', costUsd: 'US dollars' } as const
  const parts = Object.entries(names).flatMap(([key, name]) => {
    const { used, max } = budgets[key as keyof typeof names]
    return max === null && used === 0 ? [] : [`${name} ${used}${max === null ? '' : ` of ${max}`}`]
  })
  return [...parts, ...(budgets.dispatchUntil === null ? [] : [`dispatch until ${budgets.dispatchUntil}`])].join(', ')
}

function checkpointText({ checkpoint }: RunOverview, style: Style): (readonly [string, string])[] {
  if (checkpoint === null) return []
  const note = checkpoint.note === '' ? '' : `: ${style.text(checkpoint.note)}`
  const due = checkpoint.overdue ? style.ink('red', `overdue since ${checkpoint.dueAt}`) : `due ${checkpoint.dueAt}`
  return [['checkpoint', `${due}${note}`]]
}
