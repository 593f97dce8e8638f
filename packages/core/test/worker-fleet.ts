import { type MemoryAdapter, memoryAdapter } from '../src/memory/memory-adapter.js'
import { MemoryBackend } from '../src/memory/memory-backend.js'
import type { PortCall } from '../src/memory/memory-faults.js'
import { SimulatedClock } from '../src/memory/simulated-clock.js'
import type { Adapter } from '../src/ports/adapter.js'
import type { RunId, TaskId } from '../src/protocol/ids.js'
import { type Receipt, receiptChecksum, receiptSchema } from '../src/protocol/receipt.js'
import { dispatchBody, type Offer, type TaskRequest } from '../src/protocol/task.js'
import { isoTime } from '../src/protocol/time.js'
import type { TaskHandler } from '../src/worker/define-task.js'
import { startWorker, type Worker, type WorkerOptions } from '../src/worker/start-worker.js'
import type { WorkerEvents } from '../src/worker/worker-events.js'

export const runId = 'run-1' as RunId

export interface OfferOptions {
  readonly attempt?: number
  readonly timeoutMs?: number
  readonly deliveriesMax?: number
  readonly artifactBytesMax?: number
  readonly runId?: RunId
}

/** A backend, a simulated clock, and workers on it whose coordinator is the test. */
export class WorkerFleet {
  readonly clock = new SimulatedClock()
  readonly backend = new MemoryBackend()
  readonly coordinator = memoryAdapter({ backend: this.backend, runtime: this.clock.process() })
  /** Every event of every worker, in order. */
  readonly events: { name: keyof WorkerEvents; data: unknown }[] = []
  /** Messages of each `inbox.send` that took effect. */
  readonly sends: number[] = []

  constructor() {
    let before = 0
    this.intercept((call) => {
      if (call.method !== 'send' || call.runId === null) return 'go'
      if (call.phase === 'before') before = this.backend.messagesOf(call.runId).length
      else this.sends.push(this.backend.messagesOf(call.runId).length - before)
      return 'go'
    })
  }

  /** What `fate` says about a call counts; `go` leaves it to what was set before. */
  intercept(fate: (call: PortCall) => 'go' | 'fail' | Promise<'go'>): void {
    const earlier = this.backend.intercept
    this.backend.intercept = (call) => {
      const verdict = fate(call)
      return verdict === 'go' ? earlier(call) : verdict
    }
  }

  async worker(
    handlers: readonly TaskHandler[],
    options: Partial<WorkerOptions> = {},
  ): Promise<{ worker: Worker; adapter: MemoryAdapter }> {
    const runtime = this.clock.process()
    const adapter = memoryAdapter({ backend: this.backend, runtime })
    const worker = await this.clock.run(startWorker({ adapter, runtime, handlers, concurrency: 8, ...options }))
    for (const name of ['claimed', 'receipt', 'error'] as const) {
      worker.on(name, (data: unknown) => this.events.push({ name, data }))
    }
    return { worker, adapter }
  }

  adapterWithoutArtifacts(): Adapter {
    const { artifacts: _artifacts, ...adapter } = memoryAdapter({
      backend: this.backend,
      runtime: this.clock.process(),
    })
    return adapter
  }

  offerOf(request: TaskRequest, options: OfferOptions = {}): Offer {
    const { attempt = 1, timeoutMs = 60_000, deliveriesMax = 5, artifactBytesMax = 1024 ** 2 } = options
    const run = { runId: options.runId ?? runId, deliveriesMax, artifactBytesMax }
    const lane = request.lane ?? 'default'
    const spec = { priority: 5, ...request, taskId: request.taskId as TaskId, lane, after: [], depth: 0 }
    const { body, digest } = dispatchBody(
      run,
      spec as unknown as Parameters<typeof dispatchBody>[1],
      attempt,
      1,
      isoTime(this.clock.now() + timeoutMs),
    )
    return { runId: run.runId, taskId: spec.taskId, attempt, lane, digest, body }
  }

  /** Offers a task and lets everything that can happen at once happen. */
  async offer(request: TaskRequest, options: OfferOptions = {}): Promise<Offer> {
    const offer = this.offerOf(request, options)
    await this.coordinator.queue.offer([offer])
    await this.clock.settle()
    return offer
  }

  whereIs({ runId, taskId, attempt }: Offer) {
    return this.coordinator.queue.locate(runId, taskId, attempt)
  }

  /** The receipts in the inbox; each is checked against the schema and its own checksum. */
  receipts(run: RunId = runId): Receipt[] {
    return this.backend.messagesOf(run).map(({ body }) => {
      const receipt = receiptSchema.parse(JSON.parse(body))
      if (receipt.checksum !== receiptChecksum(JSON.parse(body))) throw new Error(`wrong checksum in ${body}`)
      return receipt
    })
  }

  errors(): unknown[] {
    return this.events.filter(({ name }) => name === 'error').map(({ data }) => data)
  }
}

/** A promise with its ends outside, for handlers that a test holds back. */
export function gate<T = void>(): { promise: Promise<T>; open: (value: T) => void } {
  let open: (value: T) => void = () => {}
  const promise = new Promise<T>((resolve) => {
    open = resolve
  })
  return { promise, open }
}
