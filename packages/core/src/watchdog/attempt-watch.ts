import type { Whereabouts } from '../ports/task-queue.js'
import type { TaskId } from '../protocol/ids.js'
import type { StallReason } from './incident.js'
import type { OutAttempt } from './watched-run.js'

export interface Stall {
  readonly attempt: number
  readonly why: StallReason
  readonly workerId?: string
}

interface Watched {
  readonly attempt: number
  /** When it was first seen to be out. These times count what the watchdog itself has waited: no clock can jump them. */
  readonly sinceMs: number
  lookedMs: number | null
  /** What it showed last, and since when it has shown nothing else. */
  sign: Sign
  signMs: number
  progress: string | undefined
  progressMs: number
}

type Sign = { readonly at: Whereabouts['at']; readonly workerId?: string; readonly text: string }

const nothingYet: Sign = { at: 'unknown', text: '' }

/** The attempts of one run that are out, as the queue shows them over time. Short ones are never asked for. */
export class AttemptWatch {
  readonly #watched = new Map<TaskId, Watched>()
  readonly alive = new Set<TaskId>()
  readonly moving = new Set<TaskId>()

  /** `stalledAfterMs`: without a sign for so long. */
  constructor(private readonly stalledAfterMs: number) {}

  /** Follows the log. `observedMs`: time that the watchdog has waited. */
  follow(out: ReadonlyMap<TaskId, OutAttempt>, observedMs: number): void {
    for (const [taskId, { attempt }] of this.#watched) {
      if (out.get(taskId)?.attempt !== attempt) this.#forget(taskId)
    }
    for (const [taskId, { attempt }] of out) {
      if (this.#watched.has(taskId)) continue
      const at = { sinceMs: observedMs, signMs: observedMs, progressMs: observedMs }
      this.#watched.set(taskId, { attempt, ...at, lookedMs: null, sign: nothingYet, progress: undefined })
    }
  }

  /** Whom to ask the queue for now, those first that were not asked for the longest. */
  due(observedMs: number, max: number): { taskId: TaskId; attempt: number }[] {
    const due = [...this.#watched]
      .filter(([, { sinceMs, lookedMs }]) =>
        lookedMs === null
          ? observedMs - sinceMs >= this.stalledAfterMs / 2
          : observedMs - lookedMs >= this.stalledAfterMs / 4,
      )
      .sort(([, one], [, other]) => (one.lookedMs ?? -1) - (other.lookedMs ?? -1))
    return due.slice(0, max).map(([taskId, { attempt }]) => ({ taskId, attempt }))
  }

  /** What the queue said. */
  note(taskId: TaskId, where: Whereabouts, observedMs: number): void {
    const watched = this.#watched.get(taskId)
    if (watched === undefined) return
    const sign = signOf(where)
    const progress = where.at === 'claimed' ? JSON.stringify(where.progress) : undefined
    const isFirst = watched.lookedMs === null
    const changed = sign.text !== watched.sign.text
    const moved = progress !== watched.progress
    // An attempt that was never handed out has waited since it was first seen.
    const waited = isFirst && where.at === 'queued' && where.deliveries === 0
    if (changed && !waited) watched.signMs = observedMs
    if (moved) watched.progressMs = observedMs
    mark(this.alive, taskId, !isFirst && changed && where.at === 'claimed')
    mark(this.moving, taskId, !isFirst && moved && progress !== undefined)
    Object.assign(watched, { lookedMs: observedMs, sign, progress })
  }

  /** Those that have given no sign for too long. */
  stalls(): Map<TaskId, Stall> {
    const stalls = new Map<TaskId, Stall>()
    for (const [taskId, watched] of this.#watched) {
      const why = watched.lookedMs === null ? null : this.#whyStalled(watched)
      const { attempt, sign } = watched
      const { workerId } = sign
      if (why !== null) stalls.set(taskId, { attempt, why, ...(workerId !== undefined && { workerId }) })
    }
    return stalls
  }

  #whyStalled({ sign, signMs, progress, progressMs, lookedMs }: Watched): StallReason | null {
    // By what the last look showed: what came since nobody knows.
    const seenMs = lookedMs ?? signMs
    if (seenMs - signMs >= this.stalledAfterMs) {
      return sign.at === 'claimed' ? 'silent' : sign.at === 'queued' ? 'unclaimed' : 'missing'
    }
    return progress !== undefined && seenMs - progressMs >= this.stalledAfterMs ? 'no-progress' : null
  }

  #forget(taskId: TaskId): void {
    this.#watched.delete(taskId)
    this.alive.delete(taskId)
    this.moving.delete(taskId)
  }
}

const mark = (set: Set<TaskId>, taskId: TaskId, belongs: boolean): unknown =>
  belongs ? set.add(taskId) : set.delete(taskId)

/** What changes while somebody works on the attempt, or takes it up. */
function signOf(where: Whereabouts): Sign {
  switch (where.at) {
    case 'unknown':
      return { at: 'unknown', text: 'unknown' }
    case 'queued':
      return { at: 'queued', text: `queued ${where.deliveries}` }
    case 'claimed': {
      const { workerId, deliveries, heartbeatAt } = where
      return { at: 'claimed', workerId, text: `claimed ${deliveries} ${heartbeatAt} ${workerId}` }
    }
  }
}
