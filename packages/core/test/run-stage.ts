import { type OpenRunOptions, openRun } from '../src/coordinator/open-run.js'
import type { Run } from '../src/coordinator/run.js'
import { type CommitRecord, encodeCommit, genesisHash, readCommit } from '../src/log/commit-record.js'
import { type MemoryAdapter, memoryAdapter } from '../src/memory/memory-adapter.js'
import { MemoryBackend } from '../src/memory/memory-backend.js'
import type { PortCall } from '../src/memory/memory-faults.js'
import { SimulatedClock } from '../src/memory/simulated-clock.js'
import type { SimulatedProcess } from '../src/memory/simulated-process.js'
import type { Commit, EventType, RunEvent } from '../src/protocol/events.js'
import type { RunId } from '../src/protocol/ids.js'
import { policySchema } from '../src/protocol/policy.js'
import { type Receipt, receiptChecksum } from '../src/protocol/receipt.js'
import type { Dispatch, Offer, TaskRequest } from '../src/protocol/task.js'
import { isoTime } from '../src/protocol/time.js'

export const runId = 'run-1' as RunId
export const goal = 'count every line'

type Fate = 'go' | 'fail' | 'kill'

/** A coordinator's process: what it runs on, and its run. */
export interface Holding {
  readonly run: Run
  readonly adapter: MemoryAdapter
  readonly runtime: SimulatedProcess
}

export const request = (taskId: string, options: Partial<TaskRequest> = {}): TaskRequest => ({
  taskId,
  kind: 'count',
  input: { path: taskId },
  ...options,
})
export const requests = (count: number): TaskRequest[] => Array.from({ length: count }, (_, i) => request(`t${i + 1}`))

/** One backend, one clock, and coordinators on them whose workers are the test. */
export class RunStage {
  readonly clock = new SimulatedClock()
  readonly backend = new MemoryBackend()
  /** Calls that took effect, such as `log.append`. */
  readonly calls: string[] = []
  readonly outside = this.process()
  #receipts = 0
  #messages = 0

  constructor() {
    this.backend.intercept = ({ port, method, phase }) => {
      if (phase === 'after') this.calls.push(`${port}.${method}`)
      return 'go'
    }
  }

  process(): { runtime: SimulatedProcess; adapter: MemoryAdapter } {
    const runtime = this.clock.process()
    return { runtime, adapter: memoryAdapter({ backend: this.backend, runtime }) }
  }

  /** Opens the run in a process of its own, or in the one that is passed, and lets time pass until it is open. */
  open(options: Partial<OpenRunOptions> = {}, process = this.process()): Promise<Holding> {
    return this.clock.run(this.opening(options, process))
  }

  /** As `open`, while the test moves the clock. */
  async opening(options: Partial<OpenRunOptions> = {}, process = this.process()): Promise<Holding> {
    return { run: await openRun({ runId, goal, ...process, ...options }), ...process }
  }

  async close({ run }: Holding): Promise<void> {
    await this.clock.run(run.close())
  }

  /** Another opener wrote the first commit just now. */
  openBehind(goal: string): CommitRecord {
    const policy = policySchema.parse({})
    const holder = { id: 'another', host: 'host-9', pid: 9 }
    const events = [
      { type: 'run-opened', v: 1, data: { runId, goal, successCriteria: [], policy } },
      { type: 'lock-acquired', v: 1, data: { holder, reason: 'opened' } },
    ]
    return this.append(events, holder.id, 2)
  }

  /** Appends a commit behind everybody's back. */
  append(events: readonly object[], actor: string, epoch: number): CommitRecord {
    const records = this.backend.recordsOf(runId)
    const [index, prev] = [records.length, records.at(-1)?.hash ?? genesisHash]
    const version = (this.commits.at(-1)?.version ?? 0) + events.length
    const header = { index, version, epoch, at: isoTime(this.clock.now()), actor, prev }
    const record = encodeCommit(
      header,
      events.map((event) => JSON.stringify(event)),
    )
    this.backend.runs.records.set(runId, [...records, record])
    return record
  }

  /** What `fate` says about a call counts; `go` leaves it to what was set before. */
  intercept(fate: (call: PortCall) => Fate | Promise<Fate>): void {
    const earlier = this.backend.intercept
    this.backend.intercept = (call) => {
      const verdict = fate(call)
      return verdict === 'go' ? earlier(call) : verdict
    }
  }

  /** Holds back calls until `release`, before they take effect or after; the first few may be let through. */
  hold(method: string, phase: 'before' | 'after' = 'before', skip = 0): { release(): void; readonly held: number } {
    let seen = 0
    let holding = true
    let release = (): void => {}
    const released = new Promise<'go'>((resolve) => {
      release = () => {
        holding = false
        resolve('go')
      }
    })
    this.intercept((call) => {
      if (!holding || call.phase !== phase || `${call.port}.${call.method}` !== method) return 'go'
      return ++seen <= skip ? 'go' : released
    })
    return {
      release,
      get held() {
        return Math.max(0, seen - skip)
      },
    }
  }

  /** Lets the next `times` calls of a method go wrong. */
  spoil(
    method: string,
    fate: Fate,
    { phase = 'before', times = 1 }: { phase?: PortCall['phase']; times?: number } = {},
  ) {
    let left = times
    this.intercept((call) => {
      if (left === 0 || call.phase !== phase || `${call.port}.${call.method}` !== method) return 'go'
      left--
      return fate
    })
  }

  get commits(): Commit[] {
    return this.backend.recordsOf(runId).map(({ text }, index) => readCommit(text, index))
  }

  get events(): RunEvent[] {
    return this.commits.flatMap((commit) => commit.events)
  }

  of<T extends EventType>(type: T): Extract<RunEvent, { type: T }>['data'][] {
    return this.events.filter((event) => event.type === type).map((event) => event.data) as never
  }

  /** Attempts in the queue that are neither settled nor withdrawn, as `t1/1`. */
  get queued(): string[] {
    return this.#undone().map(({ taskId, attempt }) => `${taskId}/${attempt}`)
  }

  offer(taskId: string): Offer {
    const offer = [...this.backend.lanes.attempts.values()]
      .map((entry) => entry.offer)
      .findLast((one) => one.taskId === taskId)
    if (offer === undefined) throw new Error(`no attempt of ${taskId} was offered`)
    return offer
  }

  /** The text of a receipt for an offer, right in everything that `changes` does not say. */
  receipt(offer: Offer, changes: Partial<Receipt> = {}): string {
    const { runId, taskId, attempt, epoch } = JSON.parse(offer.body) as Dispatch
    const at = isoTime(this.clock.now())
    const content = {
      ...{
        v: 1,
        receiptId: `receipt-${++this.#receipts}`,
        runId,
        taskId,
        attempt,
        epoch,
        dispatchDigest: offer.digest,
      },
      ...{
        worker: { id: 'worker-1', host: 'host-2', pid: 7 },
        status: 'completed',
        output: { lines: 3 },
        artifacts: [],
      },
      ...{ usage: { durationMs: 1 }, startedAt: at, finishedAt: at },
      ...changes,
    }
    return JSON.stringify({ ...content, checksum: receiptChecksum(content) })
  }

  /** Sends a message from outside and lets everything that can happen at once happen. */
  async send(kind: 'receipt' | 'command', body: string, sender = 'sender-1', seq = ++this.#messages): Promise<void> {
    await this.clock.run(this.outside.adapter.inbox.send(runId, [{ sender, seq, kind, body }]))
    await this.clock.settle()
  }

  /** A worker's answer to the newest attempt of a task. */
  answer(taskId: string, changes: Partial<Receipt> = {}): Promise<void> {
    return this.send('receipt', this.receipt(this.offer(taskId), changes))
  }

  #undone(): Offer[] {
    return [...this.backend.lanes.attempts.values()].filter(({ done }) => !done).map(({ offer }) => offer)
  }
}

/** What a promise has come to, without waiting for it. */
export function follow<T>(promise: Promise<T>): { value?: T; error?: unknown; settled: boolean } {
  const outcome: { value?: T; error?: unknown; settled: boolean } = { settled: false }
  promise.then(
    (value) => Object.assign(outcome, { value, settled: true }),
    (error: unknown) => Object.assign(outcome, { error, settled: true }),
  )
  return outcome
}
