import type { Msg, NatsConnection as NatsClient, Subscription } from '@nats-io/transport-node'
import type { LaneNames } from './lane-names.js'

const noticeBytesMax = 1024
/** Progress, and a worker's id. */
const answerBytesMax = 16 * 1024

/** Somebody was handed an attempt, at this position in the stream, for the n-th time. */
export interface ClaimNotice {
  readonly token: string
  readonly seq: number
  readonly claim: number
  /** One incarnation of a consumer. */
  readonly by: string
}

export interface WithdrawalNotice {
  readonly token: string
  readonly seq: number
}

/** What the holder of an attempt says about it. */
export interface HolderAnswer {
  readonly workerId: string
  readonly deliveries: number
  readonly sinceMs: number
  readonly heartbeatAtMs: number
  readonly progress?: unknown
}

export interface TalkListener {
  onClaimed(notice: ClaimNotice): void
  /** Somebody was silent and asks what others were handed meanwhile. */
  onAsked(): void
  onWithdrawn(notice: WithdrawalNotice): void
  /** `null` if it is not in our hands. */
  onWhere(token: string): HolderAnswer | null
}

/**
 * What the members of a lane tell each other, unstored: hints, which may be lost. First deliveries, which are nearly
 * all, are not talked about, so it costs nothing as long as nothing goes wrong.
 */
export class LaneTalk {
  readonly #client: NatsClient
  readonly #names: LaneNames
  readonly #subscriptions: readonly Subscription[]

  constructor(client: NatsClient, names: LaneNames, listener: TalkListener) {
    this.#client = client
    this.#names = names
    const listen = (subject: string, take: (message: Msg) => void): Subscription =>
      client.subscribe(subject, { callback: (error, message) => (error === null ? take(message) : undefined) })
    this.#subscriptions = [
      listen(names.claimed, (message) => {
        if (message.data.length === 0) listener.onAsked()
        const notice = readClaim(message)
        if (notice !== null) listener.onClaimed(notice)
      }),
      listen(names.withdrawn, (message) => {
        const notice = readWithdrawal(message)
        if (notice !== null) listener.onWithdrawn(notice)
      }),
      listen(names.where, (message) => {
        const answer = listener.onWhere(message.string())
        if (answer !== null) message.respond(JSON.stringify(answer))
      }),
    ]
  }

  tellClaimed(notice: ClaimNotice): void {
    this.#client.publish(this.#names.claimed, JSON.stringify(notice))
  }

  askClaimed(): void {
    this.#client.publish(this.#names.claimed)
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe()
  }
}

export function tellWithdrawn(client: NatsClient, names: LaneNames, notice: WithdrawalNotice): void {
  client.publish(names.withdrawn, JSON.stringify(notice))
}

/** `null` for what no member of the lane would say: anybody with rights on the subject may have written it. */
export function readHolderAnswer(message: Msg): HolderAnswer | null {
  const { workerId, deliveries, sinceMs, heartbeatAtMs, progress } = readObject(message, answerBytesMax)
  if (typeof workerId !== 'string' || !isCount(deliveries) || !isTime(sinceMs) || !isTime(heartbeatAtMs)) return null
  const known = { workerId, deliveries, sinceMs, heartbeatAtMs }
  return progress === undefined ? known : { ...known, progress }
}

function readClaim(message: Msg): ClaimNotice | null {
  const { token, seq, claim, by } = readObject(message, noticeBytesMax)
  return isText(token) && isCount(seq) && isCount(claim) && isText(by) ? { token, seq, claim, by } : null
}

function readWithdrawal(message: Msg): WithdrawalNotice | null {
  const { token, seq } = readObject(message, noticeBytesMax)
  return isText(token) && isCount(seq) ? { token, seq } : null
}

/** Without any fields if it is too long or no JSON object. */
function readObject(message: Msg, bytesMax: number): Record<string, unknown> {
  if (message.data.length > bytesMax) return {}
  try {
    const value: unknown = message.json()
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0
/** Milliseconds that a date can have. */
const isTime = (value: unknown): value is number => Number.isFinite(value) && Math.abs(value as number) <= 8.64e15
