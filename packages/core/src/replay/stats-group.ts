import type { Receipt } from '../protocol/receipt.js'
import { type AttemptSpan, latenciesOf } from './attempt-spans.js'
import { Histogram, type Spread } from './histogram.js'

/** Figures of attempts that have something in common. JSON; `Spread`s of milliseconds where the name says so. */
export interface GroupStats {
  /** `''`: they have no such name. */
  readonly name: string | null
  /** That have ended. */
  readonly attempts: number
  readonly accepted: number
  /** Rejected or expired. */
  readonly failed: number
  readonly tokens: number
  readonly costUsd: number
  /** Time that workers say they have spent, summed. */
  readonly workMs: number
  /** From dispatch to start: it waits for a worker, and two clocks are compared. */
  readonly toStartMs: Spread
  /** From start to finish, on the worker's clock. */
  readonly durationMs: Spread
  /** From finish to the commit that records the receipt: two clocks are compared. */
  readonly toRecordMs: Spread
  /** From there to the decision. */
  readonly toDecisionMs: Spread
  /** Attempts of each settled task. Of single workers there is none: a task may be of several. */
  readonly attemptsPerTask: Spread
}

/** Sums up attempts. */
export class StatsGroup {
  #attempts = 0
  #accepted = 0
  #failed = 0
  #tokens = 0
  #costUsd = 0
  #workMs = 0
  readonly #toStart = new Histogram()
  readonly #work = new Histogram()
  readonly #toRecord = new Histogram()
  readonly #toDecision = new Histogram()
  readonly #perTask = new Histogram()

  constructor(readonly name: string | null) {}

  spend({ tokens = 0, costUsd = 0, durationMs }: Receipt['usage']): void {
    this.#tokens += tokens
    this.#costUsd += costUsd
    this.#workMs += durationMs
  }

  addAttempt(span: AttemptSpan): void {
    const { toStart, work, toRecord, toDecision } = latenciesOf(span)
    this.#attempts++
    if (span.ended?.how === 'accepted') this.#accepted++
    if (span.ended?.how === 'rejected' || span.ended?.how === 'expired') this.#failed++
    this.#toStart.add(toStart ?? Number.NaN)
    this.#work.add(work ?? Number.NaN)
    this.#toRecord.add(toRecord ?? Number.NaN)
    this.#toDecision.add(toDecision ?? Number.NaN)
  }

  addTask(attempts: number): void {
    this.#perTask.add(attempts)
  }

  stats(): GroupStats {
    return {
      ...{ name: this.name, attempts: this.#attempts, accepted: this.#accepted, failed: this.#failed },
      ...{ tokens: this.#tokens, costUsd: this.#costUsd, workMs: this.#workMs },
      toStartMs: this.#toStart.spread(),
      durationMs: this.#work.spread(),
      toRecordMs: this.#toRecord.spread(),
      toDecisionMs: this.#toDecision.spread(),
      attemptsPerTask: this.#perTask.spread(),
    }
  }
}
