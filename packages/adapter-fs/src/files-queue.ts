import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type {
  ConsumeOptions,
  Consumer,
  DeliveryHandler,
  Leases,
  Offer,
  RunId,
  TaskId,
  TaskQueue,
  Whereabouts,
} from '@reprise/core/adapter'
import { fileFailure, systemCode } from './file-failure.js'
import { encodeName } from './file-names.js'
import { LaneConsumer, progressKey } from './lane-consumer.js'
import { LaneFolder } from './lane-folder.js'
import { LaneOfferer } from './lane-offerer.js'
import type { LaneOffer } from './lane-segment.js'
import type { Lifetime } from './lifetime.js'
import { lastHeartbeat, workerOf } from './worker-presence.js'

/** A segment is closed when its offers exceed this: large enough to be rare, small enough to be read at once. */
const segmentBytesMax = 4 * 1024 * 1024

/** Delivery by append-only files, in `<dir>/lanes/<lane>`: see `LaneSegment` for what is in them. */
export class FilesQueue implements TaskQueue {
  readonly #lanesFolder: string
  readonly #leases: Leases
  readonly #lifetime: Lifetime
  readonly #segmentBytesMax: number
  /** By folder name. */
  readonly #offerers = new Map<string, LaneOfferer>()
  readonly #consumers = new Set<LaneConsumer>()
  #closing = false

  constructor(dir: string, leases: Leases, lifetime: Lifetime, options: { segmentBytesMax?: number } = {}) {
    this.#lanesFolder = join(dir, 'lanes')
    this.#leases = leases
    this.#lifetime = lifetime
    this.#segmentBytesMax = options.segmentBytesMax ?? segmentBytesMax
    lifetime.ended.addEventListener('abort', () => {
      for (const offerer of this.#offerers.values()) offerer.close()
    })
  }

  async offer(offers: readonly Offer[]): Promise<void> {
    this.#lifetime.assertOpen()
    const lanes = new Map<string, Offer[]>()
    for (const offer of offers) {
      const inLane = lanes.get(offer.lane)
      if (inLane === undefined) lanes.set(offer.lane, [offer])
      else inLane.push(offer)
    }
    for (const [lane, inLane] of lanes) {
      await this.#offerer(encodeName(lane)).offer(inLane)
    }
  }

  async consume(lane: string, handler: DeliveryHandler, options: ConsumeOptions): Promise<Consumer> {
    this.#lifetime.assertOpen()
    const consumer = await LaneConsumer.start(lane, this.#folder(encodeName(lane)), this.#leases, handler, options)
    this.#consumers.add(consumer)
    void consumer.closed.then(() => this.#consumers.delete(consumer))
    if (this.#closing) await consumer.close()
    return consumer
  }

  async withdraw(runId: RunId, taskId: TaskId, attempt: number): Promise<void> {
    this.#lifetime.assertOpen()
    const found = this.#find(runId, taskId, attempt)
    if (found !== undefined && found.state !== 'done') found.segment.withdraw([found])
  }

  async locate(runId: RunId, taskId: TaskId, attempt: number): Promise<Whereabouts> {
    this.#lifetime.assertOpen()
    const found = this.#find(runId, taskId, attempt)
    switch (found?.state) {
      case undefined:
      case 'done':
        return { at: 'unknown' }
      case 'waiting':
        return { at: 'queued', deliveries: found.generation }
      case 'claimed':
        return await this.#claimedBy(found)
    }
  }

  /** Ends the consumers: what runs is aborted with `CLOSED` and given back. Before the lifetime ends. */
  async close(): Promise<void> {
    this.#closing = true
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()))
  }

  async #claimedBy({ claimant, generation, sinceMs, ...rest }: LaneOffer): Promise<Whereabouts> {
    const heartbeat = await lastHeartbeat(this.#leases, claimant)
    const progress = (heartbeat?.note as { progress?: Record<string, unknown> } | undefined)?.progress?.[
      progressKey(rest)
    ]
    return {
      at: 'claimed',
      workerId: workerOf(claimant),
      deliveries: generation,
      since: new Date(sinceMs).toISOString(),
      ...(heartbeat !== null && { heartbeatAt: heartbeat.heartbeatAt }),
      ...(progress !== undefined && { progress }),
    }
  }

  /** Nothing tells in which lane an attempt is but the lanes themselves. */
  #find(runId: RunId, taskId: TaskId, attempt: number): LaneOffer | undefined {
    for (const name of this.#laneNames()) {
      const found = this.#offerer(name).find(runId, taskId, attempt)
      if (found !== undefined) return found
    }
    return undefined
  }

  #laneNames(): string[] {
    try {
      return readdirSync(this.#lanesFolder)
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return []
      throw fileFailure(error, 'Listing', this.#lanesFolder)
    }
  }

  #offerer(name: string): LaneOfferer {
    const known = this.#offerers.get(name)
    if (known !== undefined) return known
    const offerer = new LaneOfferer(this.#folder(name), this.#segmentBytesMax)
    this.#offerers.set(name, offerer)
    return offerer
  }

  #folder(name: string): LaneFolder {
    return new LaneFolder(join(this.#lanesFolder, name))
  }
}
