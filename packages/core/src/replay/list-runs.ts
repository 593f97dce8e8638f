import { loadRun } from '../coordinator/load-run.js'
import { someAtOnce } from '../coordinator/some-at-once.js'
import { type RunSummary, readSummary, type SummaryHolder, summaryOf } from '../flow/run-summary.js'
import type { Adapter } from '../ports/adapter.js'
import type { SummarizedRun } from '../ports/run-summaries.js'
import { type ErrorCode, isRepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'

/** Logs that are read at once: each may be of millions of events. */
const logsAtOnce = 4
/** Runs in a batch, from a log without summaries. */
const batchMax = 64

export interface ListRunsOptions {
  /** Only runs whose id starts with this. Default: all. */
  readonly prefix?: string
}

/** A run, as of `version`. */
export interface ListedRun extends Omit<RunSummary, 'holder'> {
  readonly problem: null
  /** Tasks that are not settled. */
  readonly openTasks: number
  /** Who holds it. Not `live`: has the lock by the log, but no lease; it was killed, or cannot reach the adapter. */
  readonly holder: (SummaryHolder & { readonly live: boolean }) | null
  /** Whether a summary was enough, or the log was read. */
  readonly source: 'summary' | 'log'
}

/** A run whose log cannot be read: damaged, of a later library, or of another run. */
export interface UnreadableLog {
  readonly runId: RunId
  readonly problem: { readonly code: ErrorCode; readonly message: string }
  readonly source: 'log'
}

/**
 * Where every run of an adapter stands, as they are found: in no particular order. A run at rest costs a look at its
 * summary; the log is read, from its snapshot if there is one, where it has gone on since its summary was put. What a
 * summary says is not checked against the commits, whose end alone is compared: `loadRun` and `verifyRun` do that.
 * Fails as the adapter does, not for a log that cannot be read, nor for summaries that cannot be listed.
 */
export async function* listRuns(
  adapter: Adapter,
  options: ListRunsOptions = {},
): AsyncGenerator<ListedRun | UnreadableLog> {
  const { prefix = '' } = options
  const holders = await liveHolders(adapter, prefix)
  const asRow = (summary: RunSummary, source: ListedRun['source']): ListedRun => {
    // Field by field: of thousands of objects, those that are spread cost more than all the rest.
    const { runId, version, status, mode, open, tasks, accepted, openedAt, at, goal, criteria } = summary
    const openTasks = open.planned + open.out + open.received + open.stopped
    const live = holders.get(runId)
    const holder = live === undefined ? summary.holder && { ...summary.holder, live: false } : { ...live, live: true }
    return {
      runId,
      version,
      status,
      mode,
      openTasks,
      open,
      tasks,
      accepted,
      openedAt,
      at,
      holder,
      goal,
      criteria,
      source,
      problem: null,
    }
  }
  for await (const runs of findRuns(adapter, prefix)) {
    const unknown: RunId[] = []
    for (const { runId, summary } of runs) {
      const read = summary === null ? null : readSummary(summary, runId)
      if (read === null) unknown.push(runId)
      else yield asRow(read, 'summary')
    }
    for (let first = 0; first < unknown.length; first += logsAtOnce) {
      const group = unknown.slice(first, first + logsAtOnce)
      for (const read of await someAtOnce(group, logsAtOnce, (runId) => readLog(adapter, runId))) {
        if (read !== null) yield 'problem' in read ? read : asRow(read, 'log')
      }
    }
  }
}

/** By run. */
async function liveHolders({ leases }: Adapter, prefix: string): Promise<Map<string, SummaryHolder>> {
  const holders = new Map<string, SummaryHolder>()
  for await (const { name, holder } of leases.holders(`run/${prefix}`)) {
    const { id, host, pid } = holder
    holders.set(name.slice('run/'.length), { id, host, pid })
  }
  return holders
}

/** A cache that cannot be read, for want of rights perhaps, is as good as none. */
async function* findRuns(adapter: Adapter, prefix: string): AsyncGenerator<SummarizedRun[]> {
  let begun = false
  try {
    for await (const runs of adapter.summaries?.list(prefix) ?? withoutSummaries(adapter, prefix)) {
      begun = true
      yield runs
    }
  } catch (error) {
    // Half a list would be listed twice; and if there is more amiss, the log says so itself.
    if (begun || adapter.summaries === undefined || isRepriseError(error, 'CLOSED')) throw error
    yield* withoutSummaries(adapter, prefix)
  }
}

async function* withoutSummaries({ log }: Adapter, prefix: string): AsyncGenerator<SummarizedRun[]> {
  let batch: SummarizedRun[] = []
  for await (const runId of log.list(prefix)) {
    batch.push({ runId, summary: null })
    if (batch.length < batchMax) continue
    yield batch
    batch = []
  }
  yield batch
}

const unreadable: readonly ErrorCode[] = ['LOG_CORRUPT', 'LOG_TOO_NEW', 'RUN_MISMATCH']

/** `null`: it was removed meanwhile. */
async function readLog({ log, snapshots }: Adapter, runId: RunId): Promise<RunSummary | UnreadableLog | null> {
  try {
    const { state } = await loadRun(log, runId, { snapshots })
    return state.version === 0 ? null : { ...summaryOf(state), runId }
  } catch (error) {
    const code = unreadable.find((each) => isRepriseError(error, each))
    if (code === undefined) throw error
    return { runId, problem: { code, message: (error as Error).message }, source: 'log' }
  }
}
