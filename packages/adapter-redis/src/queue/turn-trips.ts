import { asArray, asNumber, asText } from '../redis-reply.js'
import type { Fetched } from './lane-backend.js'
import type { LaneTools } from './lane-tools.js'
import { settleAndClaim } from './queue-scripts.js'

/** A job that was ours, as it was claimed. */
interface Ended {
  readonly jobId: string
  readonly token: string
}

/** What a claim brought; `token` is that of the job, if there is one. */
export interface Fetch extends Fetched {
  readonly token: string
}

/** Instead of a job: the lane has rules that only BullMQ's script knows. */
export const askBull = Symbol('ask BullMQ')

interface Wish {
  readonly ended: Ended | null
  readonly claimNext: boolean
  readonly resolve: (fetch: Fetch | typeof askBull) => void
  readonly reject: (error: unknown) => void
}

/** In one trip, at most: so long nobody else is served, about a millisecond. */
const wishesMax = 64

/**
 * Settlements and claims of one turn of a worker, in one trip: attempts whose receipts went out together are settled
 * together, and their slots filled again by the same script.
 */
export class TurnTrips {
  readonly #tools: LaneTools
  readonly #workerId: string
  readonly #claimTtlMs: number
  /** What the tokens of its claims begin with. */
  readonly #tokens: string
  #claims = 0
  #wishes: Wish[] = []

  constructor(tools: LaneTools, tokens: string, options: { readonly workerId: string; readonly claimTtlMs: number }) {
    this.#tools = tools
    this.#tokens = tokens
    this.#workerId = options.workerId
    this.#claimTtlMs = options.claimTtlMs
  }

  /** Removes a job and claims another if wanted. If it was not ours any more, none need be claimed. */
  fetch(ended: Ended | null, claimNext: boolean): Promise<Fetch | typeof askBull> {
    return new Promise((resolve, reject) => {
      // A tick comes when everything that one reply of the server has set going has got so far.
      if (this.#wishes.length === 0) process.nextTick(() => this.#flush())
      this.#wishes.push({ ended, claimNext, resolve, reject })
      if (this.#wishes.length === wishesMax) this.#flush()
    })
  }

  #flush(): void {
    const wishes = this.#wishes
    if (wishes.length === 0) return
    this.#wishes = []
    this.#travel(wishes).catch((error: unknown) => {
      for (const wish of wishes) wish.reject(error)
    })
  }

  async #travel(wishes: readonly Wish[]): Promise<void> {
    const { connection, keys } = this.#tools
    const firstClaim = this.#claims
    let claims = 0
    const settlements: (string | number)[] = []
    for (const { ended, claimNext } of wishes) {
      if (ended !== null) settlements.push(ended.jobId, ended.token, claimNext ? 1 : 0)
      else if (claimNext) claims++
    }
    this.#claims += wishes.length
    const reply = asArray(
      await connection.script(
        settleAndClaim,
        [keys.wait, keys.active, keys.delayed, keys.prioritized, keys.stalled, keys.marker, keys.meta],
        [keys.jobs, Date.now(), this.#claimTtlMs, this.#workerId, claims, this.#tokens, firstClaim, ...settlements],
      ),
    )
    const none = { job: null, dueAtMs: asNumber(reply[1]), token: '' }
    const missing = reply[0] === 1 ? askBull : none
    let [at, claim] = [2, firstClaim]
    for (const wish of wishes) {
      if (!wish.claimNext) {
        wish.resolve(none)
      } else if (at === reply.length) {
        wish.resolve(missing)
      } else {
        const [id, name, data, deliveries, had] = reply.slice(at, at + 5)
        at += 5
        const job = {
          ...{ id: asText(id), name: textOrNull(name), data: textOrNull(data), deliveries: asNumber(deliveries) },
          earlierWorkers: linesOf(asText(had)),
        }
        wish.resolve({ job, dueAtMs: 0, token: `${this.#tokens}${claim++}` })
      }
    }
  }
}

/** Each with its newline. */
const linesOf = (text: string): string[] => (text === '' ? [] : text.split('\n').slice(0, -1))

/** Of a job whose hash was removed, nothing is left. */
const textOrNull = (reply: unknown): string | null => (reply === null ? null : asText(reply))
