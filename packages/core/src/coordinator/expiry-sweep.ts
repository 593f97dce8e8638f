import type { Runtime } from '../ports/runtime.js'
import type { RunEvent } from '../protocol/events.js'
import type { TaskId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { epochMs, isoTime } from '../protocol/time.js'
import type { CommitPipeline } from './commit-pipeline.js'

/** How often deadlines and waiting times are looked at, at the latest. Milliseconds. */
const sweepMs = 1_000

/** Expires attempts, and lets delayed tasks out. */
export class ExpirySweep {
  /** When the sweep wakes by itself, and what wakes it before. */
  private wakesAt = ''
  private soon = new AbortController()

  constructor(
    private readonly pipeline: CommitPipeline,
    private readonly runtime: Runtime,
    /** Tasks whose receipts are here and being checked: their attempts did not expire, however long that takes. */
    private readonly judging: ReadonlySet<TaskId>,
    private readonly signal: AbortSignal,
  ) {
    signal.addEventListener('abort', () => this.soon.abort(), { once: true })
  }

  /** Runs until the signal aborts. Never rejects: a pipeline that stopped tells everybody itself. */
  async run(): Promise<void> {
    const { pipeline, runtime, judging } = this
    while (!this.signal.aborted) {
      const nowMs = runtime.now()
      const now = isoTime(nowMs)
      const deadline = earliestDeadline(pipeline.state, judging)
      if (deadline !== null && deadline <= now) {
        const decision = await pipeline.submit({ type: 'expire-attempts', except: judging }).catch(() => null)
        if (decision === null) return
        if (decision.ok || this.signal.aborted) continue
      }
      const delayed = pipeline.state.delayed[0]?.notBefore ?? null
      if (delayed !== null && delayed <= now) pipeline.poke()
      let waitMs = sweepMs
      for (const at of [deadline, delayed]) if (at !== null && at > now) waitMs = Math.min(waitMs, epochMs(at) - nowMs)
      this.wakesAt = isoTime(nowMs + waitMs)
      this.soon = new AbortController()
      await runtime.sleep(waitMs, this.soon.signal)
    }
  }

  /** Wakes the sweep if an event brings something that is due before it would look. */
  follow(event: RunEvent): void {
    const isDueBefore =
      (event.type === 'planned' && event.data.notBefore !== undefined && event.data.notBefore < this.wakesAt) ||
      (event.type === 'dispatched' && event.data.deadlineAt < this.wakesAt)
    if (isDueBefore) this.soon.abort()
  }
}

function earliestDeadline(state: RunState, except: ReadonlySet<TaskId>): string | null {
  let earliest: string | null = null
  for (const { phase, deadlineAt, spec } of state.tasks.values()) {
    if (phase !== 'out' || deadlineAt === null || except.has(spec.taskId)) continue
    if (earliest === null || deadlineAt < earliest) earliest = deadlineAt
  }
  return earliest
}
