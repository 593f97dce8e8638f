import type {
  ConsumeOptions,
  Consumer,
  DeliveryHandler,
  Offer,
  RunId,
  TaskId,
  TaskQueue,
  Whereabouts,
} from '@reprise/core/adapter'
import { apiCodes, isApiFailure, isNatsFailure } from '../nats-failure.js'
import { askHolder } from './ask-holder.js'
import { readConsumer } from './ensure-lane.js'
import { type FoundAttempt, findAttempt } from './find-attempt.js'
import { LaneConsumer } from './lane-consumer.js'
import { LaneKeeper } from './lane-keeper.js'
import { attemptToken, type LaneNames, laneNames, laneNamesOfToken } from './lane-names.js'
import { LaneOffers } from './lane-offers.js'
import { tellWithdrawn } from './lane-talk.js'
import type { QueueContext } from './queue-context.js'
import { nameOf } from './task-message.js'

/** Delivery by a work-queue stream with one durable pull consumer per lane: see `tasksStream` and `LaneConsumer`. */
export const natsQueue = (context: QueueContext): TaskQueue & { close(): Promise<void> } => new NatsQueue(context)

class NatsQueue implements TaskQueue {
  readonly #context: QueueContext
  readonly #offers: LaneOffers
  readonly #keeper: LaneKeeper
  readonly #consumers = new Set<LaneConsumer>()
  /** Lanes that were offered to or consumed here, by name. */
  readonly #lanes = new Map<string, LaneNames>()
  #closing = false

  constructor(context: QueueContext) {
    this.#context = context
    this.#offers = new LaneOffers(context)
    this.#keeper = new LaneKeeper(context)
  }

  async offer(offers: readonly Offer[]): Promise<void> {
    this.#context.connection.assertOpen()
    if (offers.length === 0) return
    const lanes = [...new Set(offers.map(({ lane }) => lane))]
    try {
      await this.#offers.offer(offers, ({ lane }) => this.#namesOf(lane))
      await Promise.all(lanes.map((lane) => this.#keeper.makeReady(this.#namesOf(lane))))
    } catch (error) {
      // Whatever was wrong, the lanes may be gone with it.
      for (const lane of lanes) this.#keeper.forget(this.#namesOf(lane))
      throw error
    }
  }

  async consume(lane: string, handler: DeliveryHandler, options: ConsumeOptions): Promise<Consumer> {
    this.#context.connection.assertOpen()
    this.#namesOf(lane)
    const consumer = await LaneConsumer.start(this.#context, lane, handler, options)
    this.#consumers.add(consumer)
    void consumer.closed.then(() => this.#consumers.delete(consumer))
    if (this.#closing) await consumer.close()
    return consumer
  }

  async withdraw(runId: RunId, taskId: TaskId, attempt: number): Promise<void> {
    const { connection, names } = this.#context
    connection.assertOpen()
    const doing = `Withdrawing ${nameOf({ runId, taskId, attempt })}`
    const token = attemptToken(runId, taskId, attempt)
    const found = await this.#find(token, doing)
    if (found === null) return
    const { seq, laneToken } = found
    try {
      await connection.api(`STREAM.MSG.DELETE.${names.tasksStream}`, { seq, no_erase: true }, { doing })
    } catch (error) {
      // Settled since we looked.
      if (!isNatsFailure(error, 'api') || (await this.#find(token, doing)) !== null) throw error
    }
    tellWithdrawn(connection.client, laneNamesOfToken(names, laneToken), { token, seq })
  }

  async locate(runId: RunId, taskId: TaskId, attempt: number): Promise<Whereabouts> {
    const { connection, names } = this.#context
    connection.assertOpen()
    const doing = `Locating ${nameOf({ runId, taskId, attempt })}`
    const token = attemptToken(runId, taskId, attempt)
    const found = await this.#find(token, doing)
    if (found === null) return { at: 'unknown' }
    const lane = laneNamesOfToken(names, found.laneToken)
    if (!(await this.#wasHandedOut(lane, found.seq))) return { at: 'queued', deliveries: 0 }
    const holder = await askHolder(this.#context, lane, token, doing)
    // It was given back, or its worker has died or hangs: it is handed out again by its ack wait. How often it was
    // handed out before, nobody knows until then.
    if (holder === null) return { at: 'queued', deliveries: 1 }
    const { workerId, deliveries, sinceMs, heartbeatAtMs, progress } = holder
    return {
      at: 'claimed',
      workerId,
      deliveries,
      since: new Date(sinceMs).toISOString(),
      heartbeatAt: new Date(heartbeatAtMs).toISOString(),
      ...(progress !== undefined && { progress }),
    }
  }

  /** Ends the consumers: what runs is aborted with `CLOSED` and given back. Before the connection ends. */
  async close(): Promise<void> {
    this.#closing = true
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()))
    this.#offers.close()
    this.#keeper.close()
  }

  #namesOf(lane: string): LaneNames {
    const known = this.#lanes.get(lane)
    if (known !== undefined) return known
    const made = laneNames(this.#context.names, lane)
    this.#lanes.set(lane, made)
    return made
  }

  #find(token: string, doing: string): Promise<FoundAttempt | null> {
    const lanes = [...this.#lanes.values()].map((lane) => lane.token)
    return findAttempt(this.#context, lanes, token, doing)
  }

  async #wasHandedOut(lane: LaneNames, seq: number): Promise<boolean> {
    try {
      const { delivered, num_ack_pending: pending } = await readConsumer(this.#context, lane)
      return pending > 0 && delivered.stream_seq >= seq
    } catch (error) {
      if (isApiFailure(error, apiCodes.consumerNotFound)) return false
      throw error
    }
  }
}
