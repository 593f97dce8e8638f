import { type CommitRecord, encodeCommit, genesisHash, readCommit } from '../log/commit-record.js'
import type { Adapter, Finding } from '../ports/adapter.js'
import type { Runtime } from '../ports/runtime.js'
import { isRepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import { policySchema } from '../protocol/policy.js'
import { epochMs, isoTime } from '../protocol/time.js'
import { stopwatchMs } from '../runtime/stopwatch.js'
import { systemRuntime } from '../runtime/system-runtime.js'
import { percentile } from './percentile.js'

/** Begins the id of a run that exists while latencies are measured. */
export const scratchPrefix = 'doctor-scratch-'

const appends = 30
const reads = 10
/** A watcher that was not woken by then is told about, and not waited for again. */
const wakeUpMaxMs = 5_000
/** Of one whose process was killed. A younger one may be another doctor's, at work. */
const leftoverAgeMs = 60_000
const commitBytes = 512
/** Of each of its commits. No coordinator has that name. */
const scratchActor = 'doctor'

export interface MeasureOptions {
  readonly runtime?: Pick<Runtime, 'now' | 'sleep' | 'randomId'>
  /** Milliseconds of a clock that only goes forward. */
  readonly stopwatch?: () => number
}

/**
 * Measures what a coordinator waits for: an append, until a watcher has it, and a read of 30 commits. On a run of its own,
 * each commit of which closes it, so that it can be removed at any instant: here at the end, and by the next call if this
 * process is killed. For logs that give back what is removed: not for NATS.
 */
export async function measureLatencies(adapter: Adapter, options: MeasureOptions = {}): Promise<Finding[]> {
  const { runtime = systemRuntime, stopwatch = stopwatchMs } = options
  const runId = `${scratchPrefix}${runtime.randomId()}` as RunId
  const findings: Finding[] = []
  let isThere = false
  try {
    await removeLeftovers(adapter, runtime.now())
    const watcher = watchFor(adapter, runId, stopwatch)
    try {
      const took: number[] = []
      const woke: number[] = []
      let prev = genesisHash
      for (let index = 0; index < appends; index++) {
        const record = closingCommit(runId, index, prev, runtime.now())
        const from = stopwatch()
        isThere = true
        await adapter.log.append(runId, record)
        took.push(stopwatch() - from)
        // One that missed a commit would be waited for with each of them.
        const seen = woke.length < index ? null : await within(wakeUpMaxMs, runtime, watcher.seen(index))
        if (seen !== null) woke.push(seen - from)
        prev = record.hash
      }
      findings.push(figuresOf('append-latency', 'An append', took), wakeUp(woke))
    } finally {
      await watcher.stop()
    }
    findings.push(figuresOf('read-latency', `Reading ${appends} commits`, await timeReads(adapter, runId, stopwatch)))
  } catch (error) {
    findings.push(refused(error))
  } finally {
    if (isThere) findings.push(...(await removeScratch(adapter, runId)))
  }
  return findings
}

function closingCommit(runId: RunId, index: number, prev: string, nowMs: number): CommitRecord {
  const opened = { runId, goal: 'measure', successCriteria: [], policy: policySchema.parse({}) }
  const events = [
    ...(index === 0 ? [{ type: 'run-opened', v: 1, data: opened }] : []),
    { type: 'run-completed', v: 1, data: { summary: 'measured'.padEnd(commitBytes, '.') } },
  ]
  const header = { index, version: index + 2, epoch: 0, at: isoTime(nowMs), actor: scratchActor, prev }
  return encodeCommit(
    header,
    events.map((event) => JSON.stringify(event)),
  )
}

/** When a watcher, as workers' news and dashboards have them, was handed each commit. */
function watchFor({ log }: Adapter, runId: RunId, stopwatch: () => number) {
  const stop = new AbortController()
  const seenAt: number[] = []
  let tell: () => void = () => {}
  const watching = (async () => {
    for await (const texts of log.watch(runId, 0, stop.signal)) {
      for (const _ of texts) seenAt.push(stopwatch())
      tell()
    }
  })().catch(() => undefined) // Then nothing is seen, which is told.
  return {
    seen: async (index: number): Promise<number> => {
      for (;;) {
        const at = seenAt[index]
        if (at !== undefined) return at
        await new Promise<void>((resolve) => {
          tell = resolve
        })
      }
    },
    stop: async () => {
      stop.abort()
      await watching
    },
  }
}

async function within<T>(ms: number, runtime: Pick<Runtime, 'sleep'>, value: Promise<T>): Promise<T | null> {
  const enough = new AbortController()
  try {
    return await Promise.race([value, runtime.sleep(ms, enough.signal).then(() => null)])
  } finally {
    enough.abort()
  }
}

async function timeReads({ log }: Adapter, runId: RunId, stopwatch: () => number): Promise<number[]> {
  const took: number[] = []
  for (let i = 0; i < reads; i++) {
    const from = stopwatch()
    for await (const texts of log.read(runId)) void texts
    took.push(stopwatch() - from)
  }
  return took
}

function figuresOf(name: string, what: string, took: readonly number[]): Finding {
  const [p50Ms, p99Ms] = [percentile(took, 0.5), percentile(took, 0.99)]
  const message = `${what}: half within ${p50Ms} ms, 99 % within ${p99Ms} ms.`
  return { name, level: 'ok', message, figures: { p50Ms, p99Ms, samples: took.length } }
}

function wakeUp(woke: readonly number[]): Finding {
  if (woke.length === appends) return figuresOf('wake-up-latency', 'From an append until a watcher has it', woke)
  return {
    name: 'wake-up-latency',
    level: 'problem',
    message: `An append did not reach a watcher within ${wakeUpMaxMs} ms, after ${woke.length} of ${appends} that did.`,
    remedy: 'Look at what else is found here; what waits for changes, workers and dashboards among it, is as late.',
    figures: { woken: woke.length },
  }
}

function refused(error: unknown): Finding {
  if (!isRepriseError(error)) throw error
  return {
    name: 'append-latency',
    level: 'warning',
    message: `Appending could not be measured: ${error.message}`,
    remedy: 'Measure as the user of a coordinator, or leave measuring out.',
  }
}

async function removeScratch({ log }: Adapter, runId: RunId): Promise<Finding[]> {
  try {
    await log.remove(runId)
    return []
  } catch (error) {
    if (isRepriseError(error, 'RUN_UNKNOWN')) return []
    const message = `The run ${runId}, on which was measured, could not be removed: ${(error as Error).message}`
    return [{ name: 'scratch-run', level: 'warning', message, remedy: 'It is closed: the next diagnosis removes it.' }]
  }
}

async function removeLeftovers(adapter: Adapter, nowMs: number): Promise<void> {
  for await (const runId of adapter.log.list(scratchPrefix)) {
    for await (const [first = ''] of adapter.log.read(runId)) {
      const { at, actor } = readCommit(first, 0)
      // A run of somebody else may have such a name.
      if (actor === scratchActor && nowMs - epochMs(at) > leftoverAgeMs) await removeScratch(adapter, runId)
      break
    }
  }
}
