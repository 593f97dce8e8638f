import { z } from 'zod'
import type { ChainGap } from '../flow/chain-gap.js'
import type { TracedFacts } from '../flow/traced-tasks.js'
import type { CommitLog } from '../ports/commit-log.js'
import { type ErrorCode, isRepriseError, RepriseError } from '../protocol/errors.js'
import { type RunId, runIdSchema, type TaskId } from '../protocol/ids.js'
import { oneLine } from '../protocol/one-line.js'
import type { Outcome } from '../protocol/state.js'
import { traceIdSchema } from '../protocol/task.js'
import { unknownRun } from './load-run.js'
import { someAtOnce } from './some-at-once.js'
import { type TaskChain, type TaskChainOptions, taskChains } from './task-chain.js'
import { readTrace } from './trace-reading.js'

export interface TraceChainOptions {
  readonly adapter: TaskChainOptions['adapter']
  /** What the tasks have as `traceId`; those without one have the id of their run. */
  readonly traceId: string
  /** 1 to 10,000. Default: every run that the log lists. */
  readonly runIds?: readonly string[]
}

/** A task of a trace, and what has become of it. */
export interface TracedTask {
  readonly runId: RunId
  readonly taskId: TaskId
  readonly kind: string
  /** The task of the same run whose receipt asked for it. */
  readonly parent: TaskId | null
  /** Of the event that brought it into its run. */
  readonly version: number
  /** Time of that event, by the clock of whoever held the run. */
  readonly at: string
  /** The newest, from 1. */
  readonly attempt: number
  /** `null`: it is not settled. */
  readonly outcome: Outcome | null
  /** The first missing link of its chain, as `taskChain` names it. `null`: it is settled. */
  readonly missing: ChainGap | null
}

/** Where a trace is stuck. */
export interface TraceGap extends ChainGap {
  readonly runId: RunId
  readonly taskId: TaskId
}

/** A run that could not be read: none of its tasks is listed. */
export interface UnreadableRun {
  readonly runId: RunId
  /** `null`: something failed with an error that is none of this library. */
  readonly code: ErrorCode | null
  /** On one line, at most 1,000 characters. */
  readonly message: string
}

/** The tasks of several runs that carry one trace id, and where they are stuck. JSON. */
export interface TraceChain {
  readonly format: 'reprise-trace-chain-v1'
  readonly traceId: string
  /** How many runs were read to their end. */
  readonly runs: number
  /** By the time at which they came into their runs, then by run id, then by version. */
  readonly tasks: readonly TracedTask[]
  /** Of the first of them that is not settled. `null`: all that could be read are settled. */
  readonly firstMissing: TraceGap | null
  /** By run id. */
  readonly unreadable: readonly UnreadableRun[]
}

const messageMax = 1_000
const runsMax = 10_000
const tasksMax = 10_000
/** Logs that are read at the same time. */
const readsMax = 4

const optionsSchema = z.strictObject({
  adapter: z.custom<TaskChainOptions['adapter']>(
    (value) => typeof value === 'object' && value !== null && ['log', 'queue', 'inbox'].every((part) => part in value),
    'pass an open adapter, such as openFiles returns',
  ),
  traceId: traceIdSchema,
  runIds: z.array(runIdSchema).min(1, 'name a run, or leave it out for all of them').optional(),
})

/**
 * Lists the tasks that carry a trace id, over several runs, and names the first link that is missing of those that are
 * not settled. Each log is streamed once; runs that have unsettled tasks are then read as `taskChain` does, once for all
 * of these. It changes nothing, and needs nobody who holds the runs. What happens meanwhile may be in the answer or not,
 * run by run. A run that cannot be read is in `unreadable`. At most 10,000 runs and 10,000 tasks of the trace, else
 * `TOO_LARGE`; `INVALID_INPUT`; `RUN_UNKNOWN` for a run in `runIds` that does not exist; `CLOSED`, and what `log.list`
 * fails with.
 */
export async function traceChain(options: TraceChainOptions): Promise<TraceChain> {
  const { adapter, traceId, runIds: named } = parseOptions(options)
  const runIds = await runsToRead(adapter.log, named)
  const allowance = { left: tasksMax }
  const readings = await someAtOnce(runIds, readsMax, (runId) =>
    perRun(runId, () => readTrace(adapter.log, runId, traceId, allowance)),
  )
  if (allowance.left < 0) throw tooManyTasks(traceId)
  const followed: PerRun<readonly TracedTask[]>[] = []
  for (const reading of readings) {
    if ('value' in reading) {
      // One after the other: each takes the memory of its run's state.
      followed.push(await perRun(reading.runId, () => follow(adapter, reading.runId, reading.value)))
    } else {
      if (named !== undefined && reading.code === 'RUN_UNKNOWN') throw unknownRun(reading.runId)
      followed.push(reading)
    }
  }
  const readable = followed.flatMap((run) => ('value' in run ? [run.value] : []))
  const tasks = readable.flat().sort(inOrder)
  return {
    format: 'reprise-trace-chain-v1',
    traceId,
    runs: readable.length,
    tasks,
    firstMissing: firstGap(tasks),
    unreadable: followed.flatMap((run) => ('value' in run ? [] : [run])),
  }
}

function parseOptions(options: TraceChainOptions): z.output<typeof optionsSchema> {
  const parsed = optionsSchema.safeParse(options)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new RepriseError(
    'INVALID_INPUT',
    `A trace was asked for with an invalid ${issue?.path.join('.')}: ${issue?.message}.`,
  )
}

/** Each once, in order. */
async function runsToRead(log: CommitLog, named: readonly RunId[] | undefined): Promise<RunId[]> {
  const runIds = new Set<RunId>()
  for await (const runId of named ?? log.list()) {
    runIds.add(runId)
    if (runIds.size <= runsMax) continue
    throw new RepriseError(
      'TOO_LARGE',
      `There are more than ${runsMax} runs: none was looked into. Name those that the trace may have passed through in runIds, at most ${runsMax}.`,
      { details: { runsMax } },
    )
  }
  return [...runIds].sort(compare)
}

const tooManyTasks = (traceId: string): RepriseError =>
  new RepriseError(
    'TOO_LARGE',
    `More than ${tasksMax} tasks carry the trace id ${traceId}: they are not listed. Name fewer runs in runIds, or give each chain a trace id of its own.`,
    { details: { traceId, tasksMax } },
  )

type PerRun<T> = { readonly runId: RunId; readonly value: T } | UnreadableRun

/** What comes out, or why the run cannot be read. That the adapter was closed is the caller's mistake. */
async function perRun<T>(runId: RunId, read: () => Promise<T>): Promise<PerRun<T>> {
  try {
    return { runId, value: await read() }
  } catch (error) {
    const code = isRepriseError(error) ? error.code : null
    if (code === 'CLOSED') throw error
    return { runId, code, message: oneLine(error instanceof Error ? error.message : String(error), messageMax) }
  }
}

/** The tasks of one run, each that is not settled with its chain. */
async function follow(
  adapter: TaskChainOptions['adapter'],
  runId: RunId,
  facts: readonly TracedFacts[],
): Promise<readonly TracedTask[]> {
  const open = facts.filter(({ outcome }) => outcome === null).map(({ taskId }) => taskId)
  const chains = open.length === 0 ? [] : await taskChains(adapter, runId, open)
  const byId = new Map(chains.map((chain) => [chain.taskId, chain]))
  return facts.map((one) => tracedTask(runId, one, byId.get(one.taskId)))
}

function tracedTask(runId: RunId, facts: TracedFacts, chain: TaskChain | undefined): TracedTask {
  const { taskId, kind, parent, begun } = facts
  const { version, at } = begun
  // It may have been settled since its log was read for the first time.
  const outcome = chain === undefined ? facts.outcome : outcomeOf(chain)
  const missing = outcome === null ? (chain?.firstMissing ?? null) : null
  return { runId, taskId, kind, parent, version, at, attempt: chain?.attempt ?? facts.attempt, outcome, missing }
}

const outcomeOf = ({ phase }: TaskChain): Outcome | null =>
  phase === 'accepted' || phase === 'cancelled' || phase === 'abandoned' ? phase : null

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const inOrder = (a: TracedTask, b: TracedTask): number =>
  compare(a.at, b.at) || compare(a.runId, b.runId) || a.version - b.version

function firstGap(tasks: readonly TracedTask[]): TraceGap | null {
  const first = tasks.find(({ missing }) => missing !== null)
  return first?.missing == null ? null : { runId: first.runId, taskId: first.taskId, ...first.missing }
}
