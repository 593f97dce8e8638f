import { oneLine } from '../protocol/one-line.js'
import type { RunState } from '../protocol/state.js'

const idsShown = 5

/** What there is to do next, by the log alone: one sentence. */
export function nextAction(state: RunState): string {
  const { counts, received, stopped } = state
  if (state.mode === 'closed') return `nothing: the run is ${state.status}`
  if (state.version === 0) return 'open the run'
  if (state.mode === 'recovering') return 'open the run: its resume gates have not passed yet'
  if (received.size > 0) return `evaluate what came back of ${names(received)}: accept, reject or retry each`
  if (stopped.size > 0) return `decide what becomes of ${names(stopped)}, which stopped: retry, abandon or cancel each`
  if (state.blockedReason !== null)
    return `mend what blocks the run (${oneLine(state.blockedReason, 200)}), then unblock it`
  if (state.pausedReason !== null)
    return `unpause the run when its reason is gone (${oneLine(state.pausedReason, 200)})`
  if (counts.out > 0) return `wait for ${count(counts.out, 'attempt')} that ${counts.out === 1 ? 'is' : 'are'} out`
  if (counts.planned > 0)
    return `wait: ${count(counts.planned, 'planned task')} will go out by ${counts.planned === 1 ? 'itself' : 'themselves'}`
  const open = state.criteria.indexOf(null)
  if (open >= 0) {
    return `nothing is out and success criterion ${open + 1} has no evidence: dispatch work for it, or record evidence`
  }
  return counts.tasks === 0 ? 'dispatch the first tasks' : 'complete the run, or dispatch more work'
}

/** What keeps the run from going on by itself. */
export function blockersOf(state: RunState): string[] {
  const blockers: string[] = []
  if (state.blockedReason !== null) blockers.push(`blocked: ${state.blockedReason}`)
  if (state.pausedReason !== null) blockers.push(`paused: ${state.pausedReason}`)
  if (state.stopped.size > 0)
    blockers.push(`${names(state.stopped)} stopped and ${state.stopped.size === 1 ? 'waits' : 'wait'} for a decision`)
  return blockers
}

export const count = (many: number, what: string): string => `${many} ${what}${many === 1 ? '' : 's'}`

/** `task a`, or `7 tasks (a, b, c, d, e, …)`. */
function names(ids: ReadonlySet<string>): string {
  const some = [...take(ids, idsShown)].map((id) => oneLine(id, 80))
  if (ids.size === 1) return `task ${some[0]}`
  return `${ids.size} tasks (${some.join(', ')}${ids.size > idsShown ? ', …' : ''})`
}

function* take<T>(values: Iterable<T>, max: number): Generator<T> {
  let taken = 0
  for (const value of values) {
    if (taken++ === max) return
    yield value
  }
}
