import { type Offer, RepriseError } from '@reprise/core/adapter'
import type { RedisConnection } from '../redis-connection.js'
import { asArray, asNumber } from '../redis-reply.js'
import { encodeJobData } from './job-data.js'
import { jobId, type LaneKeys } from './lane-keys.js'
import { offerAttempts } from './queue-scripts.js'

/** Offers in one trip, at most: so long nobody else is served, some milliseconds. */
const batchMax = 500
const batchCharactersMax = 4 * 1024 * 1024
/** Nobody reads BullMQ's events. It trims them to about so many, in nodes of a hundred. */
const eventsMax = 1
/** A server that was emptied or restored learns again which lanes there are. Milliseconds. */
const announceEveryMs = 60_000

/** Puts attempts on one lane. One trip per batch, and in it one script for all of them. */
export class LaneOfferer {
  readonly #keys: LaneKeys
  readonly #lanesKey: string
  readonly #connection: RedisConnection
  #announcedAtMs = Number.NEGATIVE_INFINITY

  constructor(keys: LaneKeys, lanesKey: string, connection: RedisConnection) {
    this.#keys = keys
    this.#lanesKey = lanesKey
    this.#connection = connection
  }

  async offer(offers: readonly Offer[]): Promise<void> {
    for (let at = 0; at < offers.length; ) {
      const batch = nextBatch(offers, at)
      await this.#offerBatch(batch)
      at += batch.length
    }
  }

  async #offerBatch(batch: readonly Offer[]): Promise<void> {
    const { jobs, wait, marker, active, delayed } = this.#keys
    const args: (string | number)[] = [jobs, Date.now()]
    for (const offer of batch) {
      args.push(jobId(offer.runId, offer.taskId, offer.attempt), offer.digest, encodeJobData(offer))
    }
    // One turn, one connection: both go out together.
    const [different] = await Promise.all([
      this.#connection.script(offerAttempts, [wait, marker, active, delayed], args),
      this.#announce(),
    ])
    const [at] = asArray(different)
    const offer = at === undefined ? undefined : batch[asNumber(at)]
    if (offer !== undefined) throw takenBy(offer)
  }

  async #announce(): Promise<void> {
    const nowMs = performance.now()
    if (nowMs - this.#announcedAtMs < announceEveryMs) return
    await Promise.all([
      this.#connection.call('SADD', [this.#lanesKey, this.#keys.lane]),
      this.#connection.call('HSET', [this.#keys.meta, 'opts.maxLenEvents', eventsMax]),
    ])
    this.#announcedAtMs = nowMs
  }
}

function nextBatch(offers: readonly Offer[], from: number): readonly Offer[] {
  let [to, characters] = [from, 0]
  while (to < offers.length && to - from < batchMax && characters < batchCharactersMax) {
    characters += offers[to]?.body.length ?? 0
    to++
  }
  return offers.slice(from, to)
}

function takenBy({ runId, taskId, attempt, lane, digest }: Offer): RepriseError {
  return new RepriseError(
    'DISPATCH_MISMATCH',
    `Attempt ${attempt} of task "${taskId}" in run "${runId}" is on lane ${lane} already, with another dispatch digest than ${digest}: a run of that name was there before, or the log was put back to an older state. Cancel the task, or open the run under another id or prefix.`,
    { details: { runId, taskId, attempt, lane, digest } },
  )
}
