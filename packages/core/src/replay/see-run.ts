import { type Answer, InboxLook, queueSight } from '../coordinator/chain-sights.js'
import { unknownRun } from '../coordinator/load-run.js'
import { someAtOnce } from '../coordinator/some-at-once.js'
import type { QueueSight } from '../flow/chain-links.js'
import { isDecided } from '../flow/senders.js'
import type { Adapter } from '../ports/adapter.js'
import type { InboxMessage } from '../ports/inbox.js'
import type { LeaseHolder } from '../ports/leases.js'
import type { Runtime } from '../ports/runtime.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { isoTime } from '../protocol/time.js'
import { PortAsker } from './ask-port.js'
import type { RunMarks } from './run-marks.js'
import { RunReading } from './run-reading.js'
import type { TaskStory } from './task-story.js'

/** Attempts that are looked for; of them so many at the same time. */
const locatesMax = 32
const locatesAtOnce = 8
const peekMax = 1_000
const workersMax = 1_000
/** The log may go on while the adapter is asked: then it is asked again, so often. */
const looksMax = 4

/** A run and what is around it, as one look has found them: its log, and what the adapter knows besides. */
export interface RunSight {
  readonly runId: RunId
  readonly state: RunState
  readonly marks: RunMarks
  readonly histories: RunReading['histories']
  readonly story: TaskStory | null
  readonly now: string
  readonly nowMs: number
  /** Who has the lease of the run; `null`: nobody alive. */
  readonly lease: Answer<LeaseHolder | null>
  /** The log went on during every look: whoever holds the run is alive. */
  readonly isMoving: boolean
  /** Live workers that the adapter lists; some adapters list none. */
  readonly workers: Answer<number>
  /** Of attempts that are out, by task. */
  readonly queue: ReadonlyMap<TaskId, { readonly attempt: number; readonly sight: QueueSight }>
  readonly inbox: InboxLook
  /** In the inbox and not answered by the log. */
  readonly waiting: Answer<{ readonly messages: readonly InboxMessage[]; readonly whole: boolean }>
}

export interface SeeRunOptions {
  readonly adapter: Pick<Adapter, 'log' | 'leases' | 'queue' | 'inbox'>
  readonly runId: RunId
  readonly runtime: Runtime
  /** A task whose story is told, and whose attempt is looked for first. */
  readonly taskId?: TaskId
  readonly signal: AbortSignal | undefined
}

/**
 * Reads the log, asks the adapter, and reads on: what was seen of an attempt is of the log as it is returned. Changes
 * nothing. At most 15 s for the adapter's answers; what it does not say is in the sight with its reason. `RUN_UNKNOWN`,
 * `ABORTED`, and what the log fails with.
 */
export async function seeRun({ adapter, runId, runtime, taskId, signal }: SeeRunOptions): Promise<RunSight> {
  const reading = new RunReading(adapter.log, runId, taskId)
  await reading.readOn()
  if (reading.state.version === 0) throw unknownRun(runId)
  const asker = new PortAsker(runtime, signal)
  for (let look = 1; ; look++) {
    const lease = await asker.ask('The lease of the run', () => leaseOf(adapter, runId))
    const workers = await asker.ask('The list of workers', () => countWorkers(adapter))
    // One after the other: a worker sends its receipt before the queue forgets the attempt, and the log has the receipt
    // before the inbox forgets it. In another order it could pass by unseen.
    const out = outFirst(reading.state, taskId)
    const located = await someAtOnce(out, locatesAtOnce, (one) =>
      asker.ask('The queue', () => adapter.queue.locate(runId, one.taskId, one.attempt)),
    )
    const queue = new Map(
      located.map((answer, i) => {
        const { taskId, attempt } = out[i] as OutAttempt
        return [taskId, { attempt, sight: queueSight(answer) }]
      }),
    )
    const peeked = await asker.ask('The inbox', () => adapter.inbox.peek(runId, peekMax))
    const isMoving = await reading.readOn()
    if (isMoving && look < looksMax) continue
    const { state, marks, histories, story } = reading
    const nowMs = runtime.now()
    return {
      ...{ runId, state, marks, histories, story, nowMs, now: isoTime(nowMs) },
      ...{ lease, isMoving, workers, queue },
      inbox: new InboxLook(state, peeked, peekMax),
      waiting: waitingIn(state, peeked),
    }
  }
}

/** What could not be learnt, each with why, once. */
export function unlearnt({ lease, workers, queue, waiting }: RunSight): string[] {
  const whys = [lease, workers, waiting].flatMap((answer) => ('why' in answer ? [answer.why] : []))
  for (const { sight } of queue.values()) if (sight.at === 'unasked') whys.push(sight.why)
  return [...new Set(whys)].slice(0, 8)
}

/** What is looked for. Copied: the state goes on while the adapter is asked. */
interface OutAttempt {
  readonly taskId: TaskId
  readonly attempt: number
  readonly lane: string
  readonly since: string
}

/** The task that was asked about, then the oldest attempt of each lane, then the second oldest of each, and so on. */
function outFirst({ tasks }: RunState, asked: TaskId | undefined): OutAttempt[] {
  const out: OutAttempt[] = []
  for (const [taskId, { phase, attempt, spec, dispatchedAt }] of tasks) {
    if (phase !== 'out') continue
    out.push({ taskId, attempt, lane: spec.lane, since: taskId === asked ? '' : (dispatchedAt ?? '') })
  }
  out.sort((a, b) => compare(a.since, b.since))
  const seen = new Map<string, number>()
  const places = new Map(
    out.map((one) => {
      const before = seen.get(one.lane) ?? 0
      seen.set(one.lane, before + 1)
      return [one, before]
    }),
  )
  // Sorting keeps what is equal in its order.
  return out.sort((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0)).slice(0, locatesMax)
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b))

export async function leaseOf({ leases }: Pick<Adapter, 'leases'>, runId: RunId): Promise<LeaseHolder | null> {
  const name = `run/${runId}`
  for await (const holder of leases.holders(name)) if (holder.name === name) return holder
  return null
}

async function countWorkers({ leases }: Pick<Adapter, 'leases'>): Promise<number> {
  let count = 0
  for await (const _ of leases.holders('worker/')) if (++count === workersMax) break
  return count
}

function waitingIn(state: RunState, peeked: Answer<readonly InboxMessage[]>): RunSight['waiting'] {
  if ('why' in peeked) return peeked
  const messages = peeked.value.filter((message) => !isDecided(state, message))
  return { value: { messages, whole: peeked.value.length < peekMax } }
}
