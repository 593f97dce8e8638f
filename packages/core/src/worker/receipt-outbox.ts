import type { Inbox, InboxMessage } from '../ports/inbox.js'
import type { Runtime } from '../ports/runtime.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { Cause } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'

const backoffMs = 50
const backoffMsMax = 5_000
/** Runs whose place in the sequence is remembered. A run beyond is met again under a new sender. */
const runsMax = 1_024

/** Receipts that travel together. All who wait for one of them wait for this: the place of the first. */
interface Group {
  readonly bodies: string[]
  readonly sent: Promise<Cause>
  resolve(first: Cause): void
  reject(error: unknown): void
}

/** What is on its way to one run. `forming` waits while a group is being sent. */
interface Lane {
  sender: string
  seq: number
  forming: Group | null
  busy: boolean
}

/**
 * Sends receipts in groups: what is handed in until the ready work has run, or while the group before is on its
 * way, shares one `inbox.send`. Per run the order is kept, and a group that failed is sent again, the same, before
 * any later one.
 */
export class ReceiptOutbox {
  readonly #lanes = new Map<RunId, Lane>()
  #sender: string

  /** `signal` ends the retries. `onError` hears of each failure. */
  constructor(
    private readonly inbox: Inbox,
    private readonly runtime: Runtime,
    private readonly workerId: string,
    private readonly signal: AbortSignal,
    private readonly onError: (error: unknown) => void,
  ) {
    this.#sender = this.#newSender()
  }

  /**
   * Resolves once the receipt is durable in the adapter's terms, to what the event that answers it will name. Rejects with the inbox's error if trying again
   * cannot help, and with `CLOSED` if it is not durable when the signal aborts.
   */
  async send(runId: RunId, body: string): Promise<Cause> {
    const lane = this.#laneOf(runId)
    if (lane.forming === null) {
      lane.forming = newGroup()
      if (!lane.busy) {
        lane.busy = true
        this.runtime.defer(() => void this.#drain(runId, lane))
      }
    }
    const { bodies, sent } = lane.forming
    const place = bodies.push(body) - 1
    const { sender, seq } = await sent
    return { sender, seq: seq + place }
  }

  async #drain(runId: RunId, lane: Lane): Promise<void> {
    for (let group = lane.forming; group !== null; group = lane.forming) {
      lane.forming = null
      try {
        group.resolve(await this.#sendGroup(runId, lane, group.bodies))
      } catch (error) {
        // Its numbers are lost: a new sender, so that what follows is not taken for the end of a gap.
        lane.sender = this.#newSender()
        lane.seq = 0
        group.reject(error)
      }
    }
    lane.busy = false
  }

  async #sendGroup(runId: RunId, lane: Lane, bodies: readonly string[]): Promise<Cause> {
    const first: Cause = { sender: lane.sender, seq: lane.seq + 1 }
    const messages = bodies.map(
      (body): InboxMessage => ({ sender: lane.sender, seq: ++lane.seq, kind: 'receipt', body }),
    )
    for (let waitMs = backoffMs; !this.signal.aborted; waitMs = Math.min(waitMs * 2, backoffMsMax)) {
      try {
        await this.inbox.send(runId, messages)
        return first
      } catch (error) {
        this.onError(error)
        if (isRepriseError(error) && error.retry !== 'later') throw error
        await this.runtime.sleep(waitMs, this.signal)
      }
    }
    throw new RepriseError(
      'CLOSED',
      `${messages.length} receipts for run ${runId} were not sent: the worker ${this.workerId} was closed before. The attempts are given back.`,
    )
  }

  #laneOf(runId: RunId): Lane {
    const known = this.#lanes.get(runId)
    if (known !== undefined) return known
    if (this.#lanes.size >= runsMax) this.#forgetIdle()
    const lane: Lane = { sender: this.#sender, seq: 0, forming: null, busy: false }
    this.#lanes.set(runId, lane)
    return lane
  }

  // A forgotten run that comes back must not start again from 1 under a name that it knows.
  #forgetIdle(): void {
    for (const [runId, lane] of this.#lanes) if (!lane.busy) this.#lanes.delete(runId)
    this.#sender = this.#newSender()
  }

  #newSender(): string {
    return `${this.workerId}.${this.runtime.randomId()}`
  }
}

function newGroup(): Group {
  let resolve = (_first: Cause): void => {}
  let reject = (_error: unknown): void => {}
  const sent = new Promise<Cause>((resolveSent, rejectSent) => {
    resolve = resolveSent
    reject = rejectSent
  })
  return { bodies: [], sent, resolve, reject }
}
