import { z } from 'zod'
import type { Adapter } from '../ports/adapter.js'
import type { Runtime } from '../ports/runtime.js'
import { modes, statuses } from '../protocol/events.js'
import { type RunId, runIdSchema } from '../protocol/ids.js'
import type { OpenTask } from '../protocol/state.js'
import { systemRuntime } from '../runtime/system-runtime.js'
import { checkedId } from './checked-id.js'
import { type Reason, reasonSchema } from './reason.js'
import { runReasons } from './run-reasons.js'
import { type RunSight, seeRun, unlearnt } from './see-run.js'
import { rankOf } from './why-codes.js'
import { whyOpenTask } from './why-open-task.js'

const verdicts = ['act', 'wait', 'closed'] as const

const groupSchema = z.strictObject({
  code: reasonSchema.shape.code.describe('of the first reason of its chains'),
  needs: z.enum(['act', 'wait', 'nothing']).describe('act: one of its chains needs somebody to act'),
  total: z.number().int().describe('how many there are; `chains` has at most 5'),
  chains: z.array(z.array(reasonSchema).readonly()).readonly().describe('each reason follows from the next one'),
})

/** What a run waits for. JSON. */
export const runWhySchema = z.strictObject({
  format: z.literal('reprise-why-run-v1'),
  runId: z.string(),
  version: z.number().int().describe('events of the run that it was derived from'),
  status: z.enum(statuses),
  mode: z.enum(modes),
  verdict: z
    .enum(verdicts)
    .describe('act: somebody must do something before the run can go on; wait: it goes on by itself'),
  groups: z.array(groupSchema).readonly().describe('what to see to first comes first'),
  unlearnt: z.array(z.string()).readonly().describe('what could not be asked, and why'),
})
export type RunWhy = Readonly<z.output<typeof runWhySchema>>
type Group = RunWhy['groups'][number]

export interface WhyRunOptions {
  readonly adapter: Pick<Adapter, 'log' | 'leases' | 'queue' | 'inbox'>
  readonly runId: string
  readonly runtime?: Runtime
  /** Ends waiting for the adapter's answers: `ABORTED`. */
  readonly signal?: AbortSignal
}

/**
 * What a run is waiting for: chains of reasons, each with the events that show it and what to do, ranked, a bounded number
 * with totals. From the log, which is read whole, and from what leases, queue and inbox say at this moment, for at most
 * 15 s; of the attempts that are out, 32 are looked for. It changes nothing. `RUN_UNKNOWN`, `INVALID_ID`, `ABORTED`, and what
 * the log fails with.
 */
export async function whyRun({ adapter, runId, runtime = systemRuntime, signal }: WhyRunOptions): Promise<RunWhy> {
  return whyOf(await seeRun({ adapter, runId: checkedId<RunId>(runIdSchema, runId, 'run'), runtime, signal }))
}

/** What one look shows. Pure. */
function whyOf(sight: RunSight): RunWhy {
  const { state, runId } = sight
  const groups = groupsOf(sight)
  const verdict = state.mode === 'closed' ? 'closed' : groups.some(({ needs }) => needs === 'act') ? 'act' : 'wait'
  return {
    format: 'reprise-why-run-v1',
    ...{ runId, version: state.version, status: state.status, mode: state.mode },
    ...{ verdict, groups, unlearnt: unlearnt(sight) },
  }
}

/** Chains of one group that are told. */
const chainsMax = 5
/** Open tasks whose chains are followed, of each way to stand there: the others are only counted. */
const followedMax = 64

function groupsOf(sight: RunSight): Group[] {
  const groups = new Map<string, { chains: Reason[][]; total: number }>()
  const add = (chain: Reason[], total = 1): void => {
    const code = chain[0]?.code ?? ''
    const group = groups.get(code) ?? { chains: [], total: 0 }
    group.total += total
    group.chains.push(chain)
    groups.set(code, group)
  }
  for (const chain of runReasons(sight)) add(chain)
  if (sight.state.mode !== 'closed') for (const { chain, total } of taskChains(sight)) add(chain, total)
  return [...groups.values()]
    .map(({ chains, total }): Group => {
      const told = chains.sort((a, b) => weightOf(a) - weightOf(b)).slice(0, chainsMax)
      const [head] = told[0] as [Reason]
      return { code: head.code, needs: needsOf(told), total, chains: told }
    })
    .sort((a, b) => groupWeight(a) - groupWeight(b))
}

/** Tasks that stand in the same way are followed a few times, and then counted with the newest that was. */
function taskChains(sight: RunSight): { chain: Reason[]; total: number }[] {
  const ways = new Map<string, { followed: { chain: Reason[]; total: number }[] }>()
  for (const task of sight.state.tasks.values()) {
    const way = wayOf(sight, task)
    const { followed } = ways.get(way) ?? { followed: [] }
    ways.set(way, { followed })
    const last = followed.at(-1)
    if (last !== undefined && followed.length >= followedMax) last.total++
    else followed.push({ chain: whyOpenTask(sight, task.spec.taskId), total: 1 })
  }
  return [...ways.values()].flatMap(({ followed }) => followed)
}

/** Attempts that were looked for are told apart from the others. */
function wayOf({ queue, now }: RunSight, { phase, waitingFor, notBefore, spec }: OpenTask): string {
  if (phase === 'out') return queue.has(spec.taskId) ? 'out, looked for' : 'out'
  if (phase !== 'planned') return phase
  return waitingFor > 0 ? 'after' : notBefore !== null && notBefore > now ? 'time' : 'planned'
}

const needsOf = (chains: readonly (readonly Reason[])[]): Group['needs'] => {
  const all = chains.flatMap((chain) => chain.map(({ needs }) => needs))
  return all.includes('act') ? 'act' : all.includes('wait') ? 'wait' : 'nothing'
}

/** What needs somebody by itself comes before what only follows from it, and that before what goes on. */
function weightOf(chain: readonly Reason[]): number {
  const [head] = chain
  if (head === undefined) return Number.POSITIVE_INFINITY
  const depth = chain.findIndex(({ needs }) => needs === 'act')
  return (depth === -1 ? 2 : Math.min(depth, 1)) * 1_000 + rankOf(head.code)
}

const groupWeight = ({ chains }: Group): number => Math.min(...chains.map(weightOf))
