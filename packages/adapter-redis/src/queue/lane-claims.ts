import { randomBytes } from 'node:crypto'
import type { ConsumeOptions } from '@reprise/core/adapter'
import type { RedisQueueBackend } from 'bullmq'
import { asArray, asText } from '../redis-reply.js'
import { HeldAttempt } from './held-attempt.js'
import { decodeJobData } from './job-data.js'
import { type Fetched, isNotOurs, laneBackend, readFetched, unlimited } from './lane-backend.js'
import type { LaneTools } from './lane-tools.js'
import { renewClaims, uncountDelivery } from './queue-scripts.js'
import { askBull, TurnTrips } from './turn-trips.js'

const stalledChecksPerTtl = 4
const stalledCheckMsMax = 2_000
/**
 * How often to look for dead workers: what they held is claimed again so much later than it ran out, at most twice
 * that. Theirs may be shorter claims than ours, so never rarely. Milliseconds.
 */
export const stalledCheckMs = (claimTtlMs: number): number =>
  Math.min(claimTtlMs / stalledChecksPerTtl, stalledCheckMsMax)
/** Less than the time between two looks of one worker, or its own timer would find every other look too early. */
const stalledQuiet = 0.8

/** What a claim or a settlement brought. */
export interface Next {
  readonly attempt: HeldAttempt | null
  /** When there will be something, `0` if that is not known. Milliseconds since the epoch. */
  readonly dueAtMs: number
}

export type ClaimState = 'kept' | 'withdrawn' | 'lost'

/** What one worker does with the jobs of a lane, each a single trip. What the server refuses is thrown. */
export class LaneClaims {
  readonly #tools: LaneTools
  readonly #backend: RedisQueueBackend
  readonly #options: ConsumeOptions
  readonly #trips: TurnTrips
  /** What the values of its locks begin with. */
  readonly #id = randomBytes(12).toString('base64url')
  #claims = 0

  constructor(tools: LaneTools, options: ConsumeOptions) {
    this.#tools = tools
    this.#options = options
    this.#trips = new TurnTrips(tools, `${this.#id}:`, options)
    this.#backend = laneBackend(tools.bull, tools.keys, {
      name: options.workerId,
      lockDuration: options.claimTtlMs,
      stalledInterval: Math.ceil(stalledCheckMs(options.claimTtlMs) * stalledQuiet),
      maxStalledCount: unlimited,
    })
  }

  claim(): Promise<Next> {
    return this.#fetch(null, true)
  }

  /** Removes the job for good if it is still ours, and claims the next in the same trip. */
  settle(attempt: HeldAttempt, claimNext: boolean): Promise<Next> {
    return this.#fetch(attempt, claimNext)
  }

  /** Back to the end of the lane, after a pause. Claims the next in the same trip. */
  async giveBackLater({ jobId, token }: HeldAttempt, pauseMs: number, claimNext: boolean): Promise<Next> {
    const options = { skipAttempt: true, fetchNext: claimNext }
    return this.#hold(readFetched(await this.#backend.moveToDelayed(jobId, Date.now(), pauseMs, token, options)), token)
  }

  /** Back to the head of the lane. What never reached a handler does not count as delivered. */
  async giveBackNow({ jobId, token, deliveries }: HeldAttempt, delivered: boolean): Promise<void> {
    const { connection, keys } = this.#tools
    // First, so that the count is right before another worker can have it.
    if (!delivered) await connection.script(uncountDelivery, [keys.job(jobId), keys.lock(jobId)], [token, deliveries])
    await this.#backend.moveJobFromActiveToWait(jobId, token).catch(unlessNotOurs)
  }

  async renew(attempts: readonly HeldAttempt[]): Promise<ClaimState[]> {
    const { connection, keys } = this.#tools
    const nowMs = Date.now()
    const claims = attempts.flatMap((one) => [one.jobId, one.token, one.deliveries, one.beat(nowMs)])
    const args = [keys.jobs, this.#options.claimTtlMs, ...claims]
    const states = asArray(await connection.script(renewClaims, [keys.stalled, keys.active], args))
    return states.map((state) => asText(state) as ClaimState)
  }

  /** Puts jobs back whose claim ran out twice in a row, unless another worker of the lane has just looked. */
  async takeFromTheDead(): Promise<void> {
    await this.#backend.moveStalledJobsToWait()
  }

  /** Wakes another worker: we may have taken the marker without looking. */
  async passMarkerOn(): Promise<void> {
    await this.#tools.connection.call('ZADD', [this.#tools.keys.marker, 0, '0'])
  }

  async #fetch(ended: HeldAttempt | null, claimNext: boolean): Promise<Next> {
    const fetch = await this.#trips.fetch(ended, claimNext)
    if (fetch !== askBull) return this.#hold(fetch, fetch.token)
    const token = `${this.#id}::${this.#claims++}`
    return this.#hold(readFetched(await this.#backend.moveToActive(token, this.#options.workerId)), token)
  }

  async #hold({ job, dueAtMs }: Fetched, token: string): Promise<Next> {
    if (job === null) return { attempt: null, dueAtMs }
    try {
      const offer = decodeJobData(this.#tools.keys.lane, job.id, job.name, job.data)
      return { attempt: new HeldAttempt(offer, job, token), dueAtMs }
    } catch (error) {
      this.#options.onError?.(error)
      await this.#trips.fetch({ jobId: job.id, token }, false)
      return { attempt: null, dueAtMs }
    }
  }
}

function unlessNotOurs(error: unknown): void {
  if (!isNotOurs(error)) throw error
}
