import { setTimeout as sleep } from 'node:timers/promises'
import type { ConsumerInfo } from '@nats-io/jetstream'
import { isNatsFailure } from '../nats-failure.js'
import { findConsumer, isAnother, settledUpTo, stateOf } from './ensure-lane.js'
import { type FoundAttempt, nextIn, removeAttempt } from './find-attempt.js'
import type { LaneNames } from './lane-names.js'
import type { QueueContext } from './queue-context.js'

/** Then the consumer is read again. */
const removalsAtOnce = 64
const pauseMs = 250
const pauseMsMax = 2_000
const doing = 'Removing what is settled'

type Found = Pick<FoundAttempt, 'seq' | 'subject'>

interface Look {
  readonly lane: LaneNames
  readonly stop: AbortController
}

/**
 * A server that was killed may remember that an attempt was settled and have its message again: servers 2.9 write the
 * one at once, and that the message is removed later. Nobody is ever handed it, and a work queue would keep it for ever.
 *
 * What is in the stream at or below the floor up to which the lane's own consumer knows all to be settled is such a
 * message, and is removed: only while nothing of the lane is out. While anything is, the floor may be too high (servers
 * 2.9 that were started again raise it too far when an acknowledgement comes from before), and an attempt that is not
 * settled is worth more than the space of one that is. So it is looked again until there was such a moment.
 */
export class ForgottenRemovals {
  readonly #context: QueueContext
  /** By the lane's token. */
  readonly #looks = new Map<string, Look>()
  readonly #stopListening: () => void

  constructor(context: QueueContext) {
    this.#context = context
    this.#stopListening = context.connection.onReconnect(() => {
      for (const { lane } of [...this.#looks.values()]) this.look(lane)
    })
  }

  /** In the background, now and after each reconnection. */
  look(lane: LaneNames): void {
    this.#looks.get(lane.token)?.stop.abort()
    const stop = new AbortController()
    this.#looks.set(lane.token, { lane, stop })
    void this.#lookUntilDone(lane, stop.signal)
  }

  close(): void {
    this.#stopListening()
    for (const { stop } of this.#looks.values()) stop.abort()
  }

  async #lookUntilDone(lane: LaneNames, signal: AbortSignal): Promise<void> {
    let first: ConsumerInfo | null = null
    let from = 1
    for (let pauses = 0; !signal.aborted && !this.#context.connection.ended.aborted; ) {
      try {
        const consumer = await findConsumer(this.#context, lane)
        first ??= consumer
        // One that was made meanwhile hands out all that there is.
        if (consumer === null || first === null || isAnother(stateOf(consumer), stateOf(first))) return
        const upTo = first.delivered.stream_seq
        const settled = Math.min(upTo, settledUpTo(consumer))
        const isCertain = consumer.num_ack_pending === 0
        if (isCertain) from = await this.#removeSome(lane, from, settled, signal)
        if (from > upTo) return
        if (isCertain && from <= settled) continue
      } catch (error) {
        if (isNatsFailure(error, 'forbidden')) return
        // The server is away or hangs. Whatever else is wrong, offers say it.
      }
      const pause = Math.min(pauseMs * 2 ** pauses++, pauseMsMax)
      await sleep(pause, null, { signal, ref: false }).catch(() => {})
    }
  }

  /** Returns the position from which on to go on: that behind `settled`, if it came so far. */
  async #removeSome(lane: LaneNames, start: number, settled: number, signal: AbortSignal): Promise<number> {
    const found: Found[] = []
    let from = start
    while (found.length < removalsAtOnce && from <= settled) {
      const next = await nextIn(this.#context, lane, from, doing)
      if (next !== null && next.seq <= settled) found.push({ seq: next.seq, subject: next.subject })
      from = Math.min(next?.seq ?? settled, settled) + 1
    }
    // After a reconnection it may be another stream: then nothing is removed by what was known of this one.
    if (signal.aborted) return start
    await Promise.all(found.map((one) => removeAttempt(this.#context, one, doing)))
    return from
  }
}
