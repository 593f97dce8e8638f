import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ErrorCode } from '@reprise/core/adapter'
import { isAnother, type LaneState } from './ensure-lane.js'
import type { HeldAttempt } from './held-attempt.js'
import type { LaneNames } from './lane-names.js'
import { type ClaimNotice, type HolderAnswer, LaneTalk, type WithdrawalNotice } from './lane-talk.js'
import type { QueueContext } from './queue-context.js'
import type { Settlements } from './settlements.js'
import { findGone } from './still-there.js'
import type { DeliveryInfo } from './task-message.js'

/** Time for other workers to say that a claim of ours went to them. */
const othersAnswerMs = 250
/** It is waited for in pieces: if we stand still again, what has arrived meanwhile is heard before the last one ends. */
const answerPieces = 5
/** Withdrawals kept in mind that came before the attempt itself. */
const withdrawnMax = 1024

/**
 * The attempts in the hands of one consumer, and how it learns that one is not its own any more. JetStream would take
 * the acknowledgement of a worker whose claim ran out as that of its heir, so whoever is handed an attempt for the
 * second time says so to the lane, and says it again with each heartbeat and when asked.
 */
export class LaneClaims {
  readonly #context: QueueContext
  readonly #names: LaneNames
  readonly #workerId: string
  readonly #settlements: Settlements
  readonly #onLess: () => void
  readonly #talk: LaneTalk
  /** Tells our notices from those of others. */
  readonly #incarnation = randomUUID()
  /** By token. */
  readonly #held = new Map<string, HeldAttempt>()
  /** What `withdrawalKey` gives. */
  readonly #withdrawn = new Set<string>()

  /** `onLess` is called after a claim was lost or withdrawn. */
  constructor(context: QueueContext, names: LaneNames, workerId: string, settlements: Settlements, onLess: () => void) {
    this.#context = context
    this.#names = names
    this.#workerId = workerId
    this.#settlements = settlements
    this.#onLess = onLess
    this.#talk = new LaneTalk(context.connection.client, names, {
      onClaimed: (notice) => this.#onClaimed(notice),
      onAsked: () => this.#onAsked(),
      onWithdrawn: (notice) => this.#onWithdrawn(notice),
      onWhere: (token) => this.#onWhere(token),
    })
  }

  get size(): number {
    return this.#held.size
  }

  holds(held: HeldAttempt): boolean {
    return this.#held.get(held.token) === held
  }

  add(held: HeldAttempt): void {
    const former = this.#held.get(held.token)
    if (former !== undefined) this.#lose(former, 'CLAIM_LOST', 'its stream was made anew and it was offered again')
    this.#held.set(held.token, held)
    if (held.claim > 1) this.#tellClaimed(held)
  }

  /** It was settled or given back. */
  delete(held: HeldAttempt): void {
    if (this.holds(held)) this.#held.delete(held.token)
  }

  /** Whether this is a delivery of what we have: we were silent for too long, and nobody else was there. */
  isHandedAgain(token: string, ack: string, info: DeliveryInfo): boolean {
    const known = this.#held.get(token)
    if (known?.seq !== info.seq) return false
    known.handedAgain(ack, info)
    return true
  }

  /** Whether the attempt was withdrawn before it came to us. */
  wasWithdrawn(token: string, seq: number): boolean {
    return this.#withdrawn.delete(withdrawalKey(token, seq))
  }

  /** All that were heard of longer than `ageMs` ago: the others are in time with the next heartbeat. */
  keepAlive(ageMs: number): void {
    const nowMs = Date.now()
    for (const held of this.#held.values()) {
      if (Math.abs(nowMs - held.heartbeatAtMs) < ageMs) continue
      held.beat(nowMs)
      this.#settlements.keepAlive(held.ack)
      if (held.claim > 1) this.#tellClaimed(held)
    }
  }

  /** Finds out which claims still stand, after they may have been lost unnoticed. */
  async check(found: LaneState, before: LaneState | null, wasSilent: boolean, signal: AbortSignal): Promise<void> {
    // In a stream that was made anew, other messages have the positions of ours.
    if (found.made === 'stream') this.#settlements.forgetAll()
    const isAsking = wasSilent && this.#held.size > 0
    // Before the next questions: once they are answered, the server has passed this one on.
    if (isAsking) this.#talk.askClaimed()
    const { connection, names, replicas } = this.#context
    // With replicas any of them would answer, perhaps from before; then the others alone are asked.
    const mayLook = replicas === 1 && this.#held.size > 0
    for (const held of !mayLook
      ? []
      : await findGone(connection, names.tasksStream, this.#names, [...this.#held.values()])) {
      this.#lose(held, 'CLAIM_LOST', 'while this worker was silent, another one has settled it or it was withdrawn')
    }
    for (let piece = 0; isAsking && this.#held.size > 0 && piece < answerPieces; piece++) {
      await sleep(othersAnswerMs / answerPieces, null, { signal }).catch(() => {})
    }
    if (before !== null && !isAnother(found, before)) this.#settlements.repeat()
  }

  /** Gives back what is left, and listens no more. */
  close(): void {
    for (const held of this.#held.values()) {
      held.abort('CLOSED', 'the consumer was closed and the attempt given back')
      this.#settlements.giveBack(held.ack, 0)
    }
    this.#held.clear()
    this.#talk.close()
  }

  #tellClaimed({ token, seq, claim }: HeldAttempt): void {
    this.#talk.tellClaimed({ token, seq, claim, by: this.#incarnation })
  }

  #onAsked(): void {
    for (const held of this.#held.values()) if (held.claim > 1) this.#tellClaimed(held)
  }

  #onClaimed({ token, seq, claim, by }: ClaimNotice): void {
    const held = this.#held.get(token)
    if (held === undefined || held.seq !== seq || by === this.#incarnation || !(claim > held.claim)) return
    this.#lose(held, 'CLAIM_LOST', 'this worker was silent for too long and the claim went to another')
  }

  #onWithdrawn({ token, seq }: WithdrawalNotice): void {
    const held = this.#held.get(token)
    if (held?.seq === seq) {
      // The message is gone; this only tells the consumer so before the ack wait does.
      this.#settlements.settle(held.ack)
      this.#lose(held, 'ATTEMPT_WITHDRAWN', 'the coordinator took it back')
    } else {
      if (this.#withdrawn.size >= withdrawnMax) this.#withdrawn.clear()
      this.#withdrawn.add(withdrawalKey(token, seq))
    }
  }

  #onWhere(token: string): HolderAnswer | null {
    const held = this.#held.get(token)
    if (held === undefined) return null
    const { claim, sinceMs, heartbeatAtMs, reached } = held
    return {
      workerId: this.#workerId,
      deliveries: claim,
      sinceMs,
      heartbeatAtMs,
      ...(reached !== undefined && { progress: JSON.parse(reached) as unknown }),
    }
  }

  #lose(held: HeldAttempt, code: ErrorCode, why: string): void {
    this.delete(held)
    held.abort(code, why)
    this.#onLess()
  }
}

const withdrawalKey = (token: string, seq: number): string => `${seq}/${token}`
