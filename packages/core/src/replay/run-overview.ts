import { z } from 'zod'
import { blockersOf, nextAction } from '../flow/next-action.js'
import { budgetsOf } from '../flow/permissions.js'
import type { Adapter } from '../ports/adapter.js'
import type { Runtime } from '../ports/runtime.js'
import { modes, statuses } from '../protocol/events.js'
import { type RunId, runIdSchema } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { epochMs, isoTime } from '../protocol/time.js'
import { systemRuntime } from '../runtime/system-runtime.js'
import { PortAsker } from './ask-port.js'
import { checkedId } from './checked-id.js'
import { loadRunAt } from './load-run-at.js'
import { shown } from './reason.js'
import { holdingOf } from './run-holder.js'
import { leaseOf, type RunSight } from './see-run.js'

const count = z.number().int()
const budgetSchema = z.strictObject({ used: z.number(), max: z.number().nullable().describe('null: no limit') })

/** Where a run stands, and who holds it. JSON. */
export const runOverviewSchema = z.strictObject({
  format: z.literal('reprise-status-v1'),
  runId: z.string(),
  goal: z.string(),
  version: count.describe('events of the run that it was derived from'),
  at: z.string().describe('time of the newest commit'),
  openedAt: z.string(),
  ageMs: z.number().describe('since it was opened, by the clock of who asks'),
  quietMs: z.number().describe('since the newest commit, by the clock of who asks'),
  status: z.enum(statuses),
  mode: z.enum(modes),
  reason: z.string().nullable().describe('why it is paused, blocked or closed'),
  epoch: count,
  round: count,
  holder: z
    .strictObject({
      id: z.string(),
      host: z.string(),
      pid: count,
      since: z.string(),
      alive: z.boolean().nullable().describe('whether its lease is live; null: that could not be learnt'),
      heartbeatAt: z.string().nullable(),
    })
    .nullable()
    .describe('by the log; null: nobody'),
  takingOver: z.string().nullable().describe('who has the lease without holding the run yet'),
  counts: z.strictObject({
    tasks: count.describe('ever taken in'),
    ...{ planned: count, out: count, received: count, stopped: count, accepted: count, cancelled: count },
    ...{ abandoned: count, attempts: count, retries: count, expired: count, receiptsRejected: count },
    ...{ spawnsRefused: count, commandsRefused: count },
  }),
  criteria: z
    .array(z.strictObject({ number: count, text: z.string(), evidence: z.string().nullable().describe('null: open') }))
    .readonly(),
  budgets: z.strictObject({
    ...{ tasks: budgetSchema, inFlight: budgetSchema, tokens: budgetSchema, costUsd: budgetSchema },
    dispatchUntil: z.string().nullable().describe('nothing is dispatched after this time; null: no limit'),
  }),
  checkpoint: z.strictObject({ dueAt: z.string(), note: z.string(), overdue: z.boolean() }).nullable(),
  blockers: z.array(z.string()).readonly().describe('what keeps it from going on by itself'),
  nextAction: z.string(),
  unlearnt: z.array(z.string()).readonly().describe('what could not be asked, and why'),
})
export type RunOverview = Readonly<z.output<typeof runOverviewSchema>>

export interface RunOverviewOptions {
  readonly adapter: Pick<Adapter, 'log' | 'leases' | 'snapshots' | 'history'>
  readonly runId: string
  readonly runtime?: Runtime
  /** Ends waiting for the adapter's answer: `ABORTED`. */
  readonly signal?: AbortSignal
}

/**
 * Where a run stands by its log, read from the nearest state that is kept, and whether who holds it is alive. It changes
 * nothing of the run; of a long log, states may be kept in `history`. `RUN_UNKNOWN`, `INVALID_ID`, `ABORTED`, and what the log fails with.
 */
export async function runOverview({
  adapter,
  runtime = systemRuntime,
  signal,
  ...ids
}: RunOverviewOptions): Promise<RunOverview> {
  const runId = checkedId<RunId>(runIdSchema, ids.runId, 'run')
  const { state } = await loadRunAt(adapter.log, runId, { back: 0 }, adapter)
  // After the log: whoever has the lock had its lease before.
  const lease = await new PortAsker(runtime, signal).ask('The lease of the run', () => leaseOf(adapter, runId))
  return overviewOf(state, lease, runtime.now())
}

/** What a state and the lease of its run show. Pure. */
function overviewOf(state: RunState, lease: RunSight['lease'], nowMs: number): RunOverview {
  const { runId, goal, version, at, status, mode, epoch, round, checkpoint, openedAt } = state
  return {
    format: 'reprise-status-v1',
    ...{ runId: runId ?? '', goal, version, at, openedAt: openedAt ?? at },
    ageMs: Math.max(0, nowMs - epochMs(openedAt ?? at)),
    quietMs: Math.max(0, nowMs - epochMs(at)),
    ...{ status, mode, reason: state.closing ?? state.blockedReason ?? state.pausedReason, epoch, round },
    ...holderOf(state, lease),
    counts: { ...state.counts },
    criteria: state.successCriteria.map((text, i) => ({
      ...{ number: i + 1, text },
      evidence: state.criteria[i]?.evidence ?? null,
    })),
    budgets: budgetsOf(state),
    checkpoint: checkpoint && {
      ...{ dueAt: checkpoint.dueAt, note: checkpoint.note },
      overdue: mode !== 'closed' && checkpoint.dueAt < isoTime(nowMs),
    },
    blockers: mode === 'closed' ? [] : blockersOf(state),
    nextAction: nextAction(state),
    unlearnt: 'why' in lease ? [lease.why] : [],
  }
}

function holderOf(state: RunState, lease: RunSight['lease']): Pick<RunOverview, 'holder' | 'takingOver'> {
  const holding = holdingOf(state, lease)
  const found = 'value' in lease ? lease.value : null
  const takingOver = holding === 'another' && found !== null ? shown(found.holder.id, 512) : null
  if (state.lock === null) return { holder: null, takingOver }
  const { id, host, pid } = state.lock.holder
  const alive = holding === 'unknown' ? null : holding === 'live'
  const heartbeatAt = holding === 'live' ? (found?.heartbeatAt ?? null) : null
  return { holder: { id, host, pid, since: state.lock.at, alive, heartbeatAt }, takingOver }
}
