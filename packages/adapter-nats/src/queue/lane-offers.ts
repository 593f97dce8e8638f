import { headers } from '@nats-io/transport-node'
import { type Offer, RepriseError } from '@reprise/core/adapter'
import { isNatsFailure } from '../nats-failure.js'
import { ensureStream, findStream } from '../streams.js'
import { lastOn } from './find-attempt.js'
import { attemptToken, type LaneNames } from './lane-names.js'
import { named, type OfferMessage, OfferPublisher } from './offer-publisher.js'
import type { QueueContext } from './queue-context.js'
import { digestIn, encodeTask, nameOf } from './task-message.js'
import { isSubjectTaken, tasksStream } from './tasks-stream.js'

/** Of the digest, in message ids. What is stored is compared in full. */
const digestInIdLength = 32
/** Looks and repeats under way at once. */
const atOnce = 64

interface Prepared extends OfferMessage {
  readonly offer: Offer
}

/**
 * Offers attempts. One message and its acknowledgement each, all of them under way together; only what is there
 * already, or has an unknown outcome, costs another round trip.
 */
export class LaneOffers {
  readonly #context: QueueContext
  readonly #publisher: OfferPublisher

  constructor(context: QueueContext) {
    this.#context = context
    this.#publisher = new OfferPublisher(context.connection)
  }

  async offer(offers: readonly Offer[], laneOf: (offer: Offer) => LaneNames): Promise<void> {
    const messages = offers.map((offer) => this.#prepare(offer, laneOf(offer)))
    const outcomes = await this.#publisher.publish(messages)
    this.#context.connection.assertOpen()
    const doubtful = messages.filter((_, i) => outcomes[i] !== 'stored')
    const taken = new Set(messages.filter((_, i) => outcomes[i] === 'taken'))
    const conflicts: Offer[] = []
    for (let from = 0; from < doubtful.length; from += atOnce) {
      const some = doubtful.slice(from, from + atOnce)
      const good = await Promise.all(some.map((one) => (taken.has(one) ? this.#isSame(one) : this.#repeat(one))))
      conflicts.push(...some.filter((_, i) => !good[i]).map(({ offer }) => offer))
    }
    // All others are out.
    const [conflict] = conflicts
    if (conflict !== undefined) throw mismatch(conflict, conflicts.length)
  }

  close(): void {
    this.#publisher.close()
  }

  #prepare(offer: Offer, lane: LaneNames): Prepared {
    const token = attemptToken(offer.runId, offer.taskId, offer.attempt)
    const data = encodeTask(offer)
    const bytesMax = this.#context.connection.client.info?.max_payload ?? Number.POSITIVE_INFINITY
    // Headers count as well.
    if (data.length + 256 > bytesMax) throw tooLarge(offer, data.length, bytesMax)
    return { offer, subject: lane.taskSubject(token), id: `${token}-${offer.digest.slice(0, digestInIdLength)}`, data }
  }

  /** Whether the attempt that stands there is this one. One that is gone meanwhile was settled or withdrawn. */
  async #isSame({ offer, subject }: Prepared): Promise<boolean> {
    const found = await lastOn(this.#context, subject, `Offering ${nameOf(offer)}`)
    return found === null || digestIn(found.data) === offer.digest
  }

  /** Once more, by itself, since the first outcome is unknown. Twice is harmless. */
  async #repeat(message: Prepared): Promise<boolean> {
    const { connection } = this.#context
    const doing = `Offering ${nameOf(message.offer)}`
    try {
      await connection.publish(message.subject, message.data, { doing, headers: named(headers(), message) })
      return true
    } catch (error) {
      if (isNatsFailure(error, 'api') && isSubjectTaken(error.message)) return await this.#isSame(message)
      if (isNatsFailure(error, 'nobody-there')) throw await this.#streamGone(error)
      throw error
    }
  }

  /** Makes the stream again. That is said by failing once, since what else was out is lost. */
  async #streamGone(error: Error): Promise<Error> {
    const { connection, names, createStreams } = this.#context
    const stream = names.tasksStream
    if (!createStreams || (await findStream(connection, stream)) !== null) return error
    await ensureStream(connection, tasksStream(names, this.#context))
    return new RepriseError(
      'ADAPTER_UNAVAILABLE',
      `The stream ${stream} was gone and has been made again, empty. Offer again; attempts that were out before are offered when their run is opened again, or after their deadline.`,
      { details: { stream }, cause: error },
    )
  }
}

const mismatch = (offer: Offer, count: number): RepriseError => {
  const { runId, taskId, attempt, digest } = offer
  const others = count > 1 ? ` (and ${count - 1} more like it)` : ''
  return new RepriseError(
    'DISPATCH_MISMATCH',
    `An offer of ${nameOf(offer)} with another digest is queued already${others}: two coordinators dispatched the same attempt with different content, or the log was replaced. The one that is queued stays; withdraw it, or use another prefix.`,
    { details: { runId, taskId, attempt, digest } },
  )
}

function tooLarge(offer: Offer, bytes: number, bytesMax: number): RepriseError {
  const { runId, taskId, attempt } = offer
  return new RepriseError(
    'TOO_LARGE',
    `The dispatch of ${nameOf(offer)} has ${bytes} bytes, and the server takes ${bytesMax} in one message. Nothing of this call was offered: raise max_payload, or keep the input in an artifact.`,
    { details: { runId, taskId, attempt, bytes, bytesMax } },
  )
}
