import type { Adapter } from '../ports/adapter.js'
import type { Lease } from '../ports/leases.js'
import type { Runtime } from '../ports/runtime.js'
import { RepriseError } from '../protocol/errors.js'
import type { Holder } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import { answered } from './answered.js'

const pollMs = 200

export interface TakeLeaseOptions {
  readonly adapter: Adapter
  readonly runtime: Runtime
  readonly runId: RunId
  readonly holder: Holder
  readonly ttlMs: number
  /** Replaces a live holder too. */
  readonly force: boolean
  /** By the runtime's clock: until then a live holder is waited for. */
  readonly heldUntil: number
  readonly signal: AbortSignal | undefined
}

/** Takes the lease of a run. `RUN_HELD` by a live holder, `ABORTED`, `ADAPTER_UNAVAILABLE` if no answer comes. */
export async function takeLease(options: TakeLeaseOptions): Promise<Lease> {
  const { runtime, runId, ttlMs, heldUntil, signal } = options
  for (;;) {
    if (signal?.aborted) throw new RepriseError('ABORTED', `Opening run ${runId} was aborted. Nothing was changed.`)
    const answer = await acquire(options)
    if (answer.held) return answer
    const leftMs = heldUntil - runtime.now()
    if (leftMs <= 0) throw runHeld(runId, answer.holder, answer.heartbeatAt, ttlMs)
    await runtime.sleep(Math.min(pollMs, leftMs), signal)
  }
}

async function acquire({ adapter, runtime, runId, holder, ttlMs, force }: TakeLeaseOptions) {
  const name = `run/${runId}`
  const call = adapter.leases.acquire(name, holder, ttlMs, { force })
  try {
    return await answered(call, `Taking lease ${name}`, runtime)
  } catch (error) {
    // One that comes after all is given back; if that fails too, it runs out.
    call.then((late) => (late.held ? adapter.leases.release(late) : undefined)).catch(() => {})
    throw error
  }
}

const runHeld = (runId: RunId, holder: Holder, heartbeatAt: string, ttlMs: number): RepriseError =>
  new RepriseError(
    'RUN_HELD',
    `Run ${runId} is held by ${holder.id} (process ${holder.pid} on ${holder.host}), which was last seen alive at ${heartbeatAt}. ` +
      `Stop it, wait until its lease of ${ttlMs} ms has run out (waitForMs), or take the run over with takeover: 'now'.`,
    { details: { runId, holder, heartbeatAt } },
  )
