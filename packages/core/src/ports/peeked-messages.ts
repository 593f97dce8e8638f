import { RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import type { InboxMessage } from './inbox.js'

/** Messages that one `peek` may ask for. */
const peekMax = 1_000
/** A whole `peek` takes so long at most, however much an inbox holds that is not a message. Milliseconds. */
const peekMsMax = 30_000

/**
 * What a `peek` has found so far. Every adapter fills one, so that all refuse the same `max` in the same words, show a
 * message once that was sent twice, and end.
 */
export class PeekedMessages {
  readonly #runId: RunId
  readonly #max: number
  readonly #found: InboxMessage[] = []
  readonly #seen = new Set<string>()

  /** `INVALID_INPUT` unless `max` is a whole number from 1 to 1,000. */
  constructor(runId: RunId, max: number) {
    if (!Number.isSafeInteger(max) || max < 1 || max > peekMax) {
      throw new RepriseError(
        'INVALID_INPUT',
        `The inbox of run ${runId} was not looked at: max is ${max}. Give a whole number from 1 to ${peekMax}.`,
        { details: { runId, max } },
      )
    }
    this.#runId = runId
    this.#max = max
  }

  get messages(): readonly InboxMessage[] {
    return this.#found
  }

  /** How many more are wanted. */
  get room(): number {
    return this.#max - this.#found.length
  }

  /** Takes a message in, in the order in which the inbox holds them. Returns whether there is room for another. */
  take(message: InboxMessage): boolean {
    const key = JSON.stringify([message.sender, message.seq])
    if (this.room > 0 && !this.#seen.has(key)) {
      this.#seen.add(key)
      this.#found.push(message)
    }
    return this.room > 0
  }

  /** `ADAPTER_UNAVAILABLE` once the look has taken too long; asked between two steps of it. */
  checkTime(elapsedMs: number): void {
    if (elapsedMs <= peekMsMax) return
    throw new RepriseError(
      'ADAPTER_UNAVAILABLE',
      `Looking into the inbox of run ${this.#runId} took longer than ${peekMsMax} ms, and was ended. Ask for fewer messages, or look what else than messages lies in that inbox.`,
      { details: { runId: this.#runId, max: this.#max, elapsedMs } },
    )
  }
}
