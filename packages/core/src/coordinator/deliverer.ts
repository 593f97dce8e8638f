import type { Withdrawal } from '../flow/decision.js'
import type { Runtime } from '../ports/runtime.js'
import type { TaskQueue } from '../ports/task-queue.js'
import { isRepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import type { Offer } from '../protocol/task.js'
import { answered } from './answered.js'

const backoffMs = 50
const backoffMaxMs = 5_000

/**
 * Hands durable dispatches to the queue. A failing queue is tried again until `stop`: the log says what must be out,
 * and the next coordinator would offer it all again anyway.
 */
export class Deliverer {
  private offers: Offer[] = []
  private withdrawals: Withdrawal[] = []
  private running: Promise<void> | null = null
  private readonly stopping = new AbortController()

  constructor(
    private readonly queue: TaskQueue,
    private readonly runId: RunId,
    private readonly runtime: Runtime,
    private readonly onFailed: (error: unknown) => void,
  ) {}

  deliver(offers: readonly Offer[], withdrawals: readonly Withdrawal[]): void {
    if (offers.length === 0 && withdrawals.length === 0) return
    for (const offer of offers) this.offers.push(offer)
    for (const withdrawal of withdrawals) this.withdrawals.push(withdrawal)
    this.running ??= this.run()
  }

  /** Resolves when nothing is left to hand over. */
  async idle(): Promise<void> {
    await this.running
  }

  /** What is not handed over yet is left to the next coordinator. */
  stop(): void {
    this.stopping.abort()
  }

  private async run(): Promise<void> {
    const { queue, runId, runtime } = this
    const { signal } = this.stopping
    for (let failures = 0; !signal.aborted && this.offers.length + this.withdrawals.length > 0; ) {
      const { offers, withdrawals } = this
      this.offers = []
      this.withdrawals = []
      try {
        if (offers.length > 0) await this.offer(offers)
        for (const { taskId, attempt } of withdrawals) {
          const withdrawn = queue.withdraw(runId, taskId, attempt)
          await this.unlessRefused(answered(withdrawn, `Withdrawing an attempt of run ${runId}`, runtime))
        }
        failures = 0
      } catch (error) {
        if (signal.aborted) break
        // Both are idempotent, so the whole group may be repeated.
        this.offers = [...offers, ...this.offers]
        this.withdrawals = [...withdrawals, ...this.withdrawals]
        this.onFailed(error)
        await runtime.sleep(Math.min(backoffMs * 2 ** failures++, backoffMaxMs), signal)
      }
    }
    this.running = null
  }

  /**
   * An attempt that the queue will never take is reported and left to its deadline: the others must not wait for it. It is
   * looked for by halves. A refusal that is about the coordinator, such as a missing right, is tried again like any other.
   */
  private async offer(offers: readonly Offer[]): Promise<void> {
    try {
      await answered(this.queue.offer(offers), `Offering attempts of run ${this.runId}`, this.runtime)
    } catch (error) {
      if (!isAboutOneOffer(error)) throw error
      if (offers.length === 1) return this.onFailed(error)
      const half = Math.ceil(offers.length / 2)
      await this.offer(offers.slice(0, half))
      await this.offer(offers.slice(half))
    }
  }

  /** Taking back is best effort: what the queue refuses is reported once, and the attempt's deadline ends it. */
  private async unlessRefused(call: Promise<void>): Promise<void> {
    try {
      await call
    } catch (error) {
      if (!isRepriseError(error) || error.retry !== 'never') throw error
      this.onFailed(error)
    }
  }
}

const isAboutOneOffer = (error: unknown): boolean =>
  isRepriseError(error, 'DISPATCH_MISMATCH') || isRepriseError(error, 'TOO_LARGE')
