import {
  type Adapter,
  isRepriseError,
  startWorker,
  type TaskContext,
  type TaskHandler,
  type Worker,
} from '@reprise/core'
import { LineQueue } from './line-queue.js'
import type { WorkerLine } from './worker-line.js'
import type { WorkerSettings } from './worker-settings.js'

const now = (): string => new Date().toISOString()
/** Lines that wait for a slow reader, at most. */
const linesMax = 1_000
/** Longer than any attempt may take that matters here; as far as timers reach. Milliseconds. */
const unhurriedMs = 2 ** 31 - 1
const lookMs = 100

/** Works until it has reason to stop, then lets what runs end. Gives what happens, as it does. */
export async function* runWorker(
  adapter: Adapter,
  settings: WorkerSettings,
  signal: AbortSignal,
): AsyncGenerator<WorkerLine> {
  const lines = new LineQueue<WorkerLine>(linesMax, (count) => ({ event: 'left-out', at: now(), lines: count }))
  const session = new Session(settings, lines)
  const working = session.work(adapter, signal).finally(() => lines.end())
  // It is awaited below; until then it must not count as unhandled.
  working.catch(() => {})
  try {
    yield* lines.read()
    await working
  } finally {
    // Who reads no more lines wants no more work either.
    session.stop('signal')
    await working.catch(() => {})
  }
}

type Counts = Record<'completed' | 'partial' | 'failed' | 'refused' | 'givenBack', number>
type Why = Extract<WorkerLine, { event: 'stopped' }>['why']

class Session {
  readonly #counts: Counts = { completed: 0, partial: 0, failed: 0, refused: 0, givenBack: 0 }
  readonly #running = new Set<Promise<unknown>>()
  /** Of attempts that run or ran a moment ago, by name: since when, and why they failed. */
  readonly #attempts = new Map<string, { readonly sinceMs: number; message: string | null }>()
  readonly #abandon = new AbortController()
  #busyAtMs = Date.now()
  #why: Why | undefined
  #tellWhy = (_why: Why): void => {}

  constructor(
    private readonly settings: WorkerSettings,
    private readonly lines: LineQueue<WorkerLine>,
  ) {}

  async work(adapter: Adapter, signal: AbortSignal): Promise<void> {
    const { handlers, lanes, concurrency, workerId, signingKey, drainMs, once, untilIdleMs } = this.settings
    let begin = (): void => {}
    const begun = new Promise<void>((resolve) => {
      begin = resolve
    })
    const reason = new Promise<Why>((resolve) => {
      this.#tellWhy = resolve
    })
    const worker = await startWorker({
      ...{ adapter, lanes, concurrency, signal: this.#abandon.signal },
      handlers: handlers.map((handler) => this.#watched(handler, begun)),
      ...(workerId !== undefined && { workerId }),
      ...(signingKey !== undefined && { signingKey }),
    })
    this.#listen(worker)
    this.lines.push({
      event: 'started',
      at: now(),
      workerId: worker.id,
      lanes: [...lanes],
      kinds: handlers.map(({ kind }) => kind),
      concurrency,
    })
    const onSignal = (): void => this.stop('signal')
    if (signal.aborted) onSignal()
    else signal.addEventListener('abort', onSignal, { once: true })
    const looking = untilIdleMs === undefined ? undefined : setInterval(() => this.#lookIfIdle(untilIdleMs), lookMs)
    begin()
    const why = await reason
    clearInterval(looking)
    const running = this.#running.size
    if (why === 'signal') this.lines.push({ event: 'stopping', at: now(), running, drainMs })
    // A signal hurries whoever waits for a last task too.
    const hurry = async (): Promise<void> => {
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve()
        else signal.addEventListener('abort', () => resolve(), { once: true })
      })
      setTimeout(() => this.#abandon.abort(), drainMs).unref()
    }
    void hurry()
    await worker.close({ drainMs: once || drainMs > 0 ? unhurriedMs : 0 })
    // A consumer that gives up does not wait for the programs that it told to stop.
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
    this.lines.push({ event: 'stopped', at: now(), why, ...this.#counts })
  }

  stop(why: Why): void {
    this.#why ??= why
    this.#tellWhy(this.#why)
  }

  #lookIfIdle(untilIdleMs: number): void {
    if (this.#running.size > 0) this.#busyAtMs = Date.now()
    else if (Date.now() - this.#busyAtMs >= untilIdleMs) this.stop('idle')
  }

  #watched(handler: TaskHandler, begun: Promise<void>): TaskHandler {
    return {
      ...handler,
      prepare: (input) => {
        const prepared = handler.prepare(input)
        if ('issues' in prepared) return prepared
        const run = (task: TaskContext): Promise<unknown> => {
          const running = this.#run(handler.kind, task, begun, async () => {
            if (this.settings.once) this.stop('once')
            return prepared.run(task)
          })
          this.#running.add(running)
          const forget = (): void => {
            this.#running.delete(running)
            this.#busyAtMs = Date.now()
          }
          running.then(forget, forget)
          return running
        }
        return { run }
      },
    }
  }

  async #run(kind: string, task: TaskContext, begun: Promise<void>, run: () => Promise<unknown>): Promise<unknown> {
    // Nothing is missed of it, and with --once no second one is claimed.
    await begun
    const { runId, taskId, attempt, deadlineAt } = task
    const known: { sinceMs: number; message: string | null } = { sinceMs: Date.now(), message: null }
    const name = nameOf(task)
    this.#attempts.set(name, known)
    this.lines.push({ event: 'claimed', at: now(), runId, taskId, attempt, kind, deadlineAt })
    try {
      return await run()
    } catch (error) {
      known.message = messageOf(error)
      if (task.signal.aborted) {
        this.#attempts.delete(name)
        this.#counts.givenBack++
        const [code, message] = [codeOf(task.signal.reason) ?? 'CLOSED', messageOf(task.signal.reason)]
        this.lines.push({ event: 'given-back', at: now(), runId, taskId, attempt, code, message })
      }
      throw error
    }
  }

  #listen(worker: Worker): void {
    worker.on('receipt', ({ runId, taskId, attempt, status }) => {
      const name = nameOf({ runId, taskId, attempt })
      const known = this.#attempts.get(name)
      this.#attempts.delete(name)
      this.#busyAtMs = Date.now()
      this.#counts[status]++
      const durationMs = known === undefined ? null : Math.max(0, Date.now() - known.sinceMs)
      const message = known?.message ?? null
      this.lines.push({ event: 'receipt', at: now(), runId, taskId, attempt, status, durationMs, message })
      // A task of a kind that is refused is one too.
      if (this.settings.once) this.stop('once')
    })
    worker.on('error', (error) => {
      this.lines.push({ event: 'error', at: now(), code: codeOf(error), message: messageOf(error) })
    })
  }
}

const nameOf = ({ runId, taskId, attempt }: Pick<TaskContext, 'runId' | 'taskId' | 'attempt'>): string =>
  JSON.stringify([runId, taskId, attempt])

const codeOf = (error: unknown): string | null => (isRepriseError(error) ? error.code : null)
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
