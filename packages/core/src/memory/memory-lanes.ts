import type { Offer } from '../protocol/task.js'
import { Bell } from './bell.js'
import type { MemoryProcess } from './memory-process.js'

/** One attempt in a worker's hands. */
export interface Claim {
  readonly attempt: QueuedAttempt
  readonly process: MemoryProcess
  readonly workerId: string
  readonly ttlMs: number
  readonly sinceMs: number
  heartbeatAtMs: number
  progress: unknown
}

/** One attempt that was offered: queued while it is neither claimed nor done. */
export interface QueuedAttempt {
  readonly offer: Offer
  /** Times it was handed out. */
  deliveries: number
  /** Who claimed it last, the newest at the end. */
  readonly workers: string[]
  claim: Claim | null
  /** Settled or withdrawn: never handed out again. Remembered, so that offering it again changes nothing. */
  done: boolean
}

/** What several adapters share: the attempts of every lane. */
export class MemoryLanes {
  readonly attempts = new Map<string, QueuedAttempt>()
  readonly #lanes = new Map<string, Lane>()

  of(name: string): Lane {
    const lane = this.#lanes.get(name) ?? new Lane()
    this.#lanes.set(name, lane)
    return lane
  }

  giveBackLost(nowMs: number): void {
    for (const lane of this.#lanes.values()) lane.giveBackLost(nowMs)
  }
}

/** Workers of an attempt that are kept. */
const workersMax = 16

export class Lane {
  readonly queued: QueuedAttempt[] = []
  readonly claims = new Set<Claim>()
  readonly changed = new Bell()

  put(attempt: QueuedAttempt): void {
    this.queued.push(attempt)
    this.changed.ring()
  }

  /** Hands out one of the queued attempts: the oldest is at position 0. */
  claim(position: number, worker: Pick<Claim, 'process' | 'workerId' | 'ttlMs'>, nowMs: number): Claim | null {
    const [attempt] = this.queued.splice(position, 1)
    if (attempt === undefined) return null
    const claim: Claim = { ...worker, attempt, sinceMs: nowMs, heartbeatAtMs: nowMs, progress: undefined }
    attempt.claim = claim
    attempt.deliveries++
    attempt.workers.push(worker.workerId)
    if (attempt.workers.length > workersMax) attempt.workers.shift()
    this.claims.add(claim)
    return claim
  }

  /** Ends a claim, unless the attempt has gone to another worker meanwhile. */
  end(claim: Claim, outcome: 'settled' | 'given-back'): void {
    if (!this.claims.delete(claim)) return
    claim.attempt.claim = null
    if (outcome === 'settled') claim.attempt.done = true
    // At the end, so that an attempt that fails again and again does not hold up the others.
    else if (!claim.attempt.done) this.put(claim.attempt)
  }

  withdraw(attempt: QueuedAttempt): void {
    attempt.done = true
    if (attempt.claim === null) this.queued.splice(this.queued.indexOf(attempt), 1)
  }

  /** Gives back what workers hold that are gone or were silent for too long. */
  giveBackLost(nowMs: number): void {
    for (const claim of [...this.claims]) {
      if (claim.process.knownGone || nowMs - claim.heartbeatAtMs >= claim.ttlMs) this.end(claim, 'given-back')
    }
  }
}
