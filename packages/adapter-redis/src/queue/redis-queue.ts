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
import type { RedisConnection as BullConnection } from 'bullmq'
import type { AdapterParts } from '../adapter-parts.js'
import { RedisConnection } from '../redis-connection.js'
import { asArray, asText } from '../redis-reply.js'
import { readBeat } from './held-attempt.js'
import type { LaneConsumer } from './lane-consumer.js'
import { jobId, type LaneKeys, laneKeys, lanesKey } from './lane-keys.js'
import { LaneOfferer } from './lane-offerer.js'
import { locateAttempt, withdrawAttempt } from './queue-scripts.js'
import { WithdrawalNews } from './withdrawal-news.js'

/**
 * Delivery over BullMQ: a queue per lane, a job per attempt, removed when it is settled. Connections besides the
 * shared one: one per consumer, which waits for jobs, and one for news of withdrawals while there are consumers.
 *
 * Counted with INFO commandstats: 5,000 tasks offered at once to two workers of 16 slots take one script per five tasks,
 * appends to the log included. Tasks that come one by one take three each: offer, claim, settle.
 */
export class RedisQueue implements TaskQueue {
  readonly #parts: AdapterParts
  #bull: BullConnection | null = null
  readonly #news: WithdrawalNews
  readonly #lanes = new Map<string, LaneKeys>()
  readonly #offerers = new Map<string, LaneOfferer>()
  readonly #consumers = new Set<LaneConsumer>()
  #closing = false

  constructor(parts: AdapterParts) {
    this.#parts = parts
    this.#news = new WithdrawalNews(parts.endpoint, parts.commandTimeoutMs)
  }

  async offer(offers: readonly Offer[]): Promise<void> {
    this.#parts.lifetime.assertOpen()
    const lanes = new Map<string, Offer[]>()
    for (const offer of offers) {
      const inLane = lanes.get(offer.lane)
      if (inLane === undefined) lanes.set(offer.lane, [offer])
      else inLane.push(offer)
    }
    await Promise.all([...lanes].map(([lane, inLane]) => this.#offerer(lane).offer(inLane)))
  }

  async consume(lane: string, handler: DeliveryHandler, options: ConsumeOptions): Promise<Consumer> {
    const { connection, endpoint, commandTimeoutMs, lifetime } = this.#parts
    lifetime.assertOpen()
    // Loading BullMQ takes longer than starting the process without it, and only workers need it.
    const [{ LaneConsumer }, { bullConnection }] = await Promise.all([
      import('./lane-consumer.js'),
      import('./bull-client.js'),
    ])
    lifetime.assertOpen()
    this.#bull ??= bullConnection(connection)
    // Makes a socket when it is first used, which is after everything that can fail.
    const blocking = new RedisConnection(endpoint, commandTimeoutMs)
    const tools = { connection, bull: this.#bull, news: this.#news, keys: this.#keysOf(lane), blocking }
    const consumer = await LaneConsumer.start(tools, handler, options)
    this.#consumers.add(consumer)
    void consumer.closed.then(() => this.#consumers.delete(consumer))
    if (this.#closing) await consumer.close()
    return consumer
  }

  async withdraw(runId: RunId, taskId: TaskId, attempt: number): Promise<void> {
    this.#parts.lifetime.assertOpen()
    const id = jobId(runId, taskId, attempt)
    await this.#onEachLane((keys) => {
      const lists = [keys.wait, keys.active, keys.delayed, keys.stalled]
      const all = [keys.job(id), keys.lock(id), ...lists]
      return this.#parts.connection.script(withdrawAttempt, all, [id, keys.withdrawn])
    })
  }

  async locate(runId: RunId, taskId: TaskId, attempt: number): Promise<Whereabouts> {
    this.#parts.lifetime.assertOpen()
    const id = jobId(runId, taskId, attempt)
    const found = await this.#onEachLane(async (keys) =>
      whereabouts(await this.#parts.connection.script(locateAttempt, [keys.job(id), keys.lock(id)], [])),
    )
    return found.find(({ at }) => at !== 'unknown') ?? { at: 'unknown' }
  }

  /** Ends the consumers: what runs is aborted with `CLOSED` and given back. Before the connection is closed. */
  async close(): Promise<void> {
    this.#closing = true
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()))
    this.#news.close()
  }

  /** Two trips: which lanes there are, and all of them at once. Both calls are rare. */
  async #onEachLane<T>(ask: (keys: LaneKeys) => Promise<T>): Promise<T[]> {
    const lanes = asArray(await this.#parts.connection.call('SMEMBERS', [lanesKey(this.#parts.keys)]))
    return Promise.all(lanes.map((lane) => ask(this.#keysOf(asText(lane)))))
  }

  #offerer(lane: string): LaneOfferer {
    const known = this.#offerers.get(lane)
    if (known !== undefined) return known
    const { keys, connection } = this.#parts
    const offerer = new LaneOfferer(this.#keysOf(lane), lanesKey(keys), connection)
    this.#offerers.set(lane, offerer)
    return offerer
  }

  #keysOf(lane: string): LaneKeys {
    const known = this.#lanes.get(lane)
    if (known !== undefined) return known
    const keys = laneKeys(this.#parts.keys, lane)
    this.#lanes.set(lane, keys)
    return keys
  }
}

/** What workers wrote may be anything: what is no time is shown as 1970. */
function isoTime(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? new Date(0).toISOString() : date.toISOString()
}

function countIn(text: string | null | undefined): number {
  const count = Number(text ?? 0)
  return Number.isSafeInteger(count) && count >= 0 ? count : 0
}

/** Reads what `locate-attempt` replies. */
function whereabouts(reply: unknown): Whereabouts {
  const [claimed, ...fields] = asArray(reply)
  const [name, ats, workerId, processedOn, beatText] = fields.map((field) => (field === null ? null : asText(field)))
  if (name == null) return { at: 'unknown' }
  const deliveries = countIn(ats)
  if (claimed === 0 || workerId == null) return { at: 'queued', deliveries }
  const beat = readBeat(beatText ?? null, deliveries)
  return {
    at: 'claimed',
    workerId,
    deliveries,
    since: isoTime(Number(processedOn)),
    heartbeatAt: isoTime(beat?.atMs ?? Number(processedOn)),
    ...(beat?.progress === undefined ? {} : { progress: beat.progress }),
  }
}
