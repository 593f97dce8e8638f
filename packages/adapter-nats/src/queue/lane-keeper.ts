import type { Subscription } from '@nats-io/transport-node'
import { ensureLane } from './ensure-lane.js'
import { type LaneNames, laneOfMissing, missingSubjects } from './lane-names.js'
import type { QueueContext } from './queue-context.js'

/** Any number of workers miss the same consumer at once. */
const lookMsMin = 1_000

/**
 * Makes the consumers of the lanes that are offered to here: once with the first offer, and again when a worker says that
 * its one is missing. Workers may have no right to make it, and nobody else would notice that somebody deleted it.
 */
export class LaneKeeper {
  readonly #context: QueueContext
  /** By the lane's token: lanes whose consumer was made or found, and when that was last looked at. */
  readonly #ready = new Map<string, { readonly lane: LaneNames; lookedAtMs: number }>()
  #subscription: Subscription | null = null

  constructor(context: QueueContext) {
    this.#context = context
  }

  async makeReady(lane: LaneNames): Promise<void> {
    if (this.#ready.has(lane.token)) return
    this.#listen()
    await ensureLane(this.#context, lane, null)
    this.#ready.set(lane.token, { lane, lookedAtMs: performance.now() })
  }

  /** It is looked at with the next offer. */
  forget(lane: LaneNames): void {
    this.#ready.delete(lane.token)
  }

  close(): void {
    this.#subscription?.unsubscribe()
  }

  #listen(): void {
    const { connection, names } = this.#context
    this.#subscription ??= connection.client.subscribe(missingSubjects(names), {
      callback: (error, { subject }) => {
        if (error === null) void this.#look(laneOfMissing(subject))
      },
    })
  }

  /** A worker asks again until the consumer is there, so a failure is no loss. */
  async #look(token: string): Promise<void> {
    const known = this.#ready.get(token)
    const nowMs = performance.now()
    if (known === undefined || nowMs - known.lookedAtMs < lookMsMin) return
    known.lookedAtMs = nowMs
    await ensureLane(this.#context, known.lane, null).catch(() => this.#ready.delete(token))
  }
}
