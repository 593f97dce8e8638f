import { isDecided } from '../flow/senders.js'
import type { InboxMessage } from '../ports/inbox.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import type { Stall } from './attempt-watch.js'
import type { Incident, IncidentFact } from './incident.js'
import type { WatchedRun } from './watched-run.js'

/** One run as one look has found it. What could not be learnt is `null`: it speaks neither for an incident nor against. */
export interface Sight {
  readonly runId: RunId
  readonly run: WatchedRun
  /** By the watchdog's clock. */
  readonly now: string
  /** Somebody has a live lease on the run. */
  readonly held: boolean | null
  /** The oldest messages that nobody has acknowledged. */
  readonly inbox: readonly InboxMessage[] | null
  readonly stalls: ReadonlyMap<TaskId, Stall>
  /** Attempts that have shown in the newest look at them that they are alive, or get on. */
  readonly alive: ReadonlySet<TaskId>
  readonly moving: ReadonlySet<TaskId>
}

/** Everything that is not as it should be. */
export function findFacts(sight: Sight): IncidentFact[] {
  const { runId, run, now, held, stalls } = sight
  if (run.ended) return []
  const { version, lock, checkpoint } = run
  const facts: IncidentFact[] = []
  if (checkpoint !== null && checkpoint.dueAt < now) {
    facts.push({ kind: 'checkpoint-overdue', runId, version, dueAt: checkpoint.dueAt, note: checkpoint.note })
  }
  const waiting = firstUndecided(sight)
  if (held === false && waiting != null) {
    const { kind, sender } = waiting
    facts.push({ kind: 'receipts-waiting', runId, version, oldest: { kind, sender } })
  }
  if (lock !== null && held !== true) {
    if (held === false) {
      facts.push({
        kind: 'coordinator-dead',
        runId,
        version,
        epoch: lock.epoch,
        holder: lock.holder,
        out: run.out.size,
      })
    }
    // What comes of that for each attempt is not told too.
    return facts
  }
  for (const [taskId, { attempt, deadlineAt }] of run.out) {
    if (deadlineAt < now) facts.push({ kind: 'attempt-overdue', runId, version, taskId, attempt, deadlineAt })
    const stall = stalls.get(taskId)
    if (stall === undefined || stall.attempt !== attempt) continue
    // Its receipt may be in the inbox, which nobody reads.
    if (stall.why === 'missing' && held !== true) continue
    const { why, workerId } = stall
    const by = workerId === undefined ? {} : { workerId }
    facts.push({ kind: 'attempt-stalled', runId, version, taskId, attempt, why, ...by })
  }
  return facts
}

/** Whether it is certain that an incident of this run is over. */
export function isOver(incident: Incident, sight: Sight): boolean {
  const { run, held, alive, moving } = sight
  if (run.ended) return true
  switch (incident.kind) {
    case 'coordinator-dead':
      return run.lock?.epoch !== incident.epoch || held === true
    case 'attempt-stalled': {
      const { taskId, attempt, why } = incident
      if (run.out.get(taskId)?.attempt !== attempt) return true
      return (why === 'no-progress' ? moving : alive).has(taskId)
    }
    case 'attempt-overdue':
      return run.out.get(incident.taskId)?.attempt !== incident.attempt
    case 'checkpoint-overdue':
      return run.checkpoint?.dueAt !== incident.dueAt
    case 'receipts-waiting':
      return run.version !== incident.version || held === true || firstUndecided(sight) === null
  }
}

/** How long a fact must hold before it is told: who is starting, or was held up, is given the time to show it. */
export const confirmMs = ({ kind }: IncidentFact, { leaseTtlMs }: WatchedRun): number =>
  kind === 'coordinator-dead' || kind === 'receipts-waiting' ? leaseTtlMs : 0

/** `undefined`: nobody looked. A message may be decided and not acknowledged: its coordinator died in between. */
function firstUndecided({ inbox, run }: Sight): InboxMessage | null | undefined {
  return inbox === null ? undefined : (inbox.find((message) => !isDecided(run, message)) ?? null)
}
