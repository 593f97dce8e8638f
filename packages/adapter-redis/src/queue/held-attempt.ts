import { type Delivery, type ErrorCode, type Offer, RepriseError } from '@reprise/core/adapter'

const progressBytesMax = 1024

/** An attempt in the hands of this worker, from its claim until it is settled, given back or lost. */
export class HeldAttempt implements Delivery {
  readonly offer: Offer
  readonly deliveries: number
  readonly jobId: string
  /** Value of the job's lock: says that the claim is ours. */
  readonly token: string
  #progress = ''
  #abort: AbortController | null = null
  #reason: RepriseError | null = null

  constructor(offer: Offer, deliveries: number, jobId: string, token: string) {
    this.offer = offer
    this.deliveries = deliveries
    this.jobId = jobId
    this.token = token
  }

  /** Made when asked for: most handlers never look. */
  get signal(): AbortSignal {
    if (this.#abort === null) {
      this.#abort = new AbortController()
      if (this.#reason !== null) this.#abort.abort(this.#reason)
    }
    return this.#abort.signal
  }

  /** May be taken off the object. */
  readonly progress = (value: unknown): void => {
    const text: string | undefined = JSON.stringify(value)
    if (text !== undefined && Buffer.byteLength(text) > progressBytesMax) {
      throw new RepriseError(
        'TOO_LARGE',
        `The progress of ${this.#name} exceeds ${progressBytesMax} bytes as JSON and is not shown. Say it shorter.`,
      )
    }
    this.#progress = text ?? ''
  }

  /** What a heartbeat notes: which delivery, when, how far. */
  beat(nowMs: number): string {
    return `${this.deliveries} ${nowMs} ${this.#progress}`
  }

  /** Tells the handler that nobody wants its result any more. */
  abort(code: ErrorCode, why: string): void {
    const { runId, taskId, attempt } = this.offer
    this.#reason = new RepriseError(code, `${this.#name} is no longer ours: ${why}. Stop working on it.`, {
      details: { runId, taskId, attempt },
    })
    this.#abort?.abort(this.#reason)
  }

  get #name(): string {
    const { runId, taskId, attempt } = this.offer
    return `Attempt ${attempt} of task "${taskId}" in run "${runId}"`
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
