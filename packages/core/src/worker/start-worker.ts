import { EventEmitter } from 'eventemitter3'
import { z } from 'zod'
import type { Adapter } from '../ports/adapter.js'
import type { Runtime } from '../ports/runtime.js'
import type { Consumer, Delivery } from '../ports/task-queue.js'
import { RepriseError } from '../protocol/errors.js'
import { laneSchema, workerIdSchema } from '../protocol/ids.js'
import { canonicalJson } from '../protocol/json.js'
import { systemRuntime } from '../runtime/system-runtime.js'
import { DeadlineSweep } from './deadline-sweep.js'
import type { TaskHandler } from './define-task.js'
import { describeIssues } from './describe-issues.js'
import type { OpenAttempt } from './open-attempt.js'
import { ReceiptOutbox } from './receipt-outbox.js'
import { type AttemptTools, answerAtDeadline, runAttempt } from './run-attempt.js'
import { receiptSigner, type SigningKey } from './sign-receipt.js'
import type { WorkerEvents } from './worker-events.js'

export interface WorkerOptions {
  readonly adapter: Adapter
  /** One per kind. A task of another kind is refused. */
  readonly handlers: readonly TaskHandler[]
  /** Handlers running at once, at most, per lane: a busy lane takes no slots from the others. Default 1. */
  readonly concurrency?: number
  /** Default `['default']`. */
  readonly lanes?: readonly string[]
  /** Unique among live workers. Default: host, process id and something random. */
  readonly workerId?: string
  /** Signs every receipt. */
  readonly signingKey?: SigningKey
  /** A worker silent for so long may lose its attempts to others. Milliseconds, default 10,000. */
  readonly claimTtlMs?: number
  /** What `close` gives running handlers to end. Milliseconds, default 30,000. */
  readonly drainMs?: number
  /** Aborting it closes the worker at once, as `close({ drainMs: 0 })`. */
  readonly signal?: AbortSignal
  readonly runtime?: Runtime
}

const optionsSchema = z.strictObject({
  adapter: z.custom<Adapter>(
    (value) => typeof value === 'object' && value !== null && 'queue' in value && 'inbox' in value,
    'pass an open adapter, such as openFiles returns',
  ),
  handlers: z.array(
    z.custom<TaskHandler>(
      (value) => typeof (value as TaskHandler | null)?.prepare === 'function',
      'pass what defineTask(…).handle(…) returns',
    ),
    'pass an array: [defineTask(…).handle(…)]',
  ),
  concurrency: z.number().int().min(1).max(10_000).default(1),
  lanes: z.array(laneSchema).min(1).max(64).default(['default']),
  workerId: workerIdSchema.optional(),
  claimTtlMs: z.number().int().min(100).max(3_600_000).default(10_000),
  drainMs: z.number().int().min(0).default(30_000),
  signingKey: z
    .custom<SigningKey>(
      (value) => typeof value === 'object' && value !== null && 'keyId' in value && 'privateKey' in value,
      'pass { keyId, privateKey }',
    )
    .optional(),
  signal: z.instanceof(AbortSignal, { error: 'pass an AbortSignal' }).optional(),
  runtime: z
    .custom<Runtime>((value) => typeof (value as Runtime | null)?.now === 'function', 'pass a Runtime')
    .optional(),
})

/** Made by `startWorker`. */
export class Worker extends EventEmitter<WorkerEvents> {
  readonly id: string
  readonly #tools: AttemptTools
  readonly #drainMs: number
  readonly #stop = new AbortController()
  readonly #consumers: Consumer[] = []
  #running = 0
  #closed: Promise<void> | null = null
  #unsubscribe = (): void => {}

  /** @internal */
  constructor(id: string, options: WorkerOptions, runtime: Runtime, drainMs: number) {
    super()
    this.id = id
    this.#drainMs = drainMs
    const { adapter, handlers, signingKey } = options
    const incarnation = runtime.randomId().slice(0, 32)
    let receipts = 0
    this.#tools = {
      runtime,
      handlers: new Map(handlers.map((handler) => [handler.kind, handler])),
      artifacts: adapter.artifacts,
      author: {
        workerId: id,
        workerText: canonicalJson({ id, host: runtime.host, pid: runtime.pid }),
        // Randomness once per worker, not once per receipt.
        nextReceiptId: () => `${incarnation}-${++receipts}`,
        sign: signingKey === undefined ? undefined : receiptSigner(signingKey),
      },
      outbox: new ReceiptOutbox(adapter.inbox, runtime, id, this.#stop.signal, (error) => this.#report('error', error)),
      deadlines: new DeadlineSweep<OpenAttempt>(runtime, (attempt) => answerAtDeadline(attempt, this.#tools)),
      emit: (name, ...args) => this.#report(name, ...args),
    }
  }

  /** Attempts in this worker's hands: handlers that run, and receipts on their way. */
  get running(): number {
    return this.#running
  }

  /**
   * Stops claiming, lets what runs end for at most `drainMs` (default: the option of `startWorker`), then aborts
   * it and gives it back without a receipt. Later calls wait for the first. The adapter stays open.
   */
  close(options: { readonly drainMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(options.drainMs ?? this.#drainMs)
    return this.#closed
  }

  /** @internal */
  async start({ adapter, signal }: WorkerOptions, lanes: readonly string[], concurrency: number, claimTtlMs: number) {
    const onAbort = (): void => {
      this.#stop.abort(closedError(this.id))
      // Adapters report their failures through onError too; nobody awaits this one.
      this.close({ drainMs: 0 }).catch((error: unknown) => this.#report('error', error))
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#unsubscribe = () => signal?.removeEventListener('abort', onAbort)
    const onError = (error: unknown): void => this.#report('error', error)
    for (const lane of lanes) {
      const options = { workerId: this.id, concurrency, claimTtlMs, signal: this.#stop.signal, onError }
      this.#consumers.push(await adapter.queue.consume(lane, (delivery) => this.#handle(delivery), options))
      if (signal?.aborted) throw aborted()
    }
  }

  async #handle(delivery: Delivery): Promise<void> {
    this.#running++
    try {
      await runAttempt(delivery, this.#tools)
    } finally {
      this.#running--
    }
  }

  async #close(drainMs: number): Promise<void> {
    try {
      await Promise.all(this.#consumers.map((consumer) => consumer.close({ drainMs })))
    } finally {
      this.#unsubscribe()
      this.#stop.abort(closedError(this.id))
      this.#tools.deadlines.close()
    }
  }

  #report<Name extends keyof WorkerEvents>(name: Name, ...args: WorkerEvents[Name]): void {
    const emit = this.emit as (name: keyof WorkerEvents, ...args: unknown[]) => boolean
    try {
      emit.call(this, name, ...args)
    } catch (error) {
      // A listener's bug must cost neither an attempt nor the worker. One in an error listener has nowhere to go.
      if (name !== 'error') this.#report('error', error)
    }
  }
}

const aborted = (): RepriseError => new RepriseError('ABORTED', 'The worker was not started: its signal aborted.')
const closedError = (id: string): RepriseError => new RepriseError('CLOSED', `Worker ${id} was closed.`)

/**
 * Claims attempts of its lanes, runs the handler of their kind and sends the receipt. Resolves once it listens on
 * all lanes. `INVALID_INPUT` for options that are not as documented, `ABORTED` if the signal aborts before that, and
 * what the adapter fails with.
 */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const parsed = optionsSchema.safeParse(options)
  if (!parsed.success) {
    throw new RepriseError(
      'INVALID_INPUT',
      `startWorker was called with something else than documented: ${describeIssues(parsed.error)}. Nothing was started.`,
      { details: { path: parsed.error.issues[0]?.path.map(String) } },
    )
  }
  const { runtime = systemRuntime, handlers, signal } = options
  checkHandlers(handlers)
  if (signal?.aborted) throw aborted()
  const { concurrency, claimTtlMs, drainMs, workerId = defaultWorkerId(runtime) } = parsed.data
  const worker = new Worker(workerId, options, runtime, drainMs)
  try {
    await worker.start(options, [...new Set(parsed.data.lanes)], concurrency, claimTtlMs)
  } catch (error) {
    // What made it fail is worth more than what else fails because of it.
    await worker.close({ drainMs: 0 }).catch(() => {})
    throw error
  }
  return worker
}

const defaultWorkerId = (runtime: Runtime): string =>
  `worker-${runtime.host.slice(0, 64)}-${runtime.pid}-${runtime.randomId().slice(0, 8)}`

function checkHandlers(handlers: readonly TaskHandler[]): void {
  const kinds = handlers.map(({ kind }) => kind)
  const twice = kinds.find((kind, i) => kinds.indexOf(kind) !== i)
  if (kinds.length > 0 && twice === undefined) return
  throw new RepriseError(
    'INVALID_INPUT',
    twice === undefined
      ? 'startWorker needs at least one handler: pass handlers: [defineTask(…).handle(…)].'
      : `startWorker got two handlers for kind ${twice}. Pass one per kind.`,
  )
}
