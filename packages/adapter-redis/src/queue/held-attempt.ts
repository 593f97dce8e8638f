import { HeldDelivery, type Offer } from '@reprise/core/adapter'
import type { ClaimedJob } from './lane-backend.js'

/** An attempt in the hands of this worker, from its claim until it is settled, given back or lost. */
export class HeldAttempt extends HeldDelivery {
  readonly jobId: string
  /** Value of the job's lock: says that the claim is ours. */
  readonly token: string

  constructor(offer: Offer, { id, deliveries, earlierWorkers }: ClaimedJob, token: string) {
    super(offer, deliveries, earlierWorkers)
    this.jobId = id
    this.token = token
  }

  /** What a heartbeat notes: which delivery, when, how far. */
  beat(nowMs: number): string {
    return `${this.deliveries} ${nowMs} ${this.reached ?? ''}`
  }
}

/** The last heartbeat in a job's hash, unless an earlier delivery has left it there, or it is none. */
export function readBeat(text: string | null, deliveries: number): { atMs: number; progress?: unknown } | null {
  const [, by, at, progress] = text?.match(/^(\d+) (\d+) (.*)$/s) ?? []
  if (Number(by) !== deliveries) return null
  return { atMs: Number(at), ...(progress ? parsedProgress(progress) : {}) }
}

function parsedProgress(text: string): { progress?: unknown } {
  try {
    return { progress: JSON.parse(text) as unknown }
  } catch {
    return {}
  }
}
