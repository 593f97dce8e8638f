import { clipped, oneLine } from '../protocol/one-line.js'
import type { RunState } from '../protocol/state.js'
import { epochMs } from '../protocol/time.js'
import { brokenBudget } from './spawn-rules.js'

const idsShown = 5

/** How a text from outside is shown inside a sentence of ours. */
export type Show = (text: string) => string
const plain: Show = (text) => oneLine(text, Number.POSITIVE_INFINITY)

/** What there is to do next, by the log alone: one sentence. A limit on time counts from the newest commit. */
export function nextAction(state: RunState, show: Show = plain): string {
  if (state.mode === 'closed') return `nothing: the run is ${state.status}`
  if (state.version === 0) return 'open the run'
  if (state.mode === 'recovering') return 'open the run: its resume gates have not passed yet'
  const next = nextOfHeld(state, show)
  return state.lock === null ? `open the run, which nobody holds; then ${next}` : next
}

function nextOfHeld(state: RunState, show: Show): string {
  const { counts, received, stopped, blockedReason, pausedReason } = state
  if (received.size > 0) return `evaluate what came back of ${names(received, show)}: accept, reject or retry each`
  if (stopped.size > 0)
    return `decide what becomes of ${names(stopped, show)}, which stopped: retry, abandon or cancel each`
  if (blockedReason !== null) return `mend what blocks the run (${show(clipped(blockedReason, 200))}), then unblock it`
  if (pausedReason !== null) return `unpause the run when its reason is gone (${show(clipped(pausedReason, 200))})`
  if (counts.out > 0) return `wait for ${count(counts.out, 'attempt')} that ${counts.out === 1 ? 'is' : 'are'} out`
  const spent = brokenBudget(state, { nowMs: epochMs(state.at) })
  if (counts.planned > 0) {
    const many = count(counts.planned, 'planned task')
    if (spent !== null) return `wait for ${many} to stop in turn, or cancel them: ${spent.rule} is used up`
    return `wait: ${many} will go out by ${counts.planned === 1 ? 'itself' : 'themselves'}`
  }
  const open = state.criteria.indexOf(null)
  if (open >= 0) {
    const more = spent === null ? 'dispatch work for it' : `no work can be dispatched (${spent.rule} is used up)`
    const ways = spent === null ? 'or record evidence' : 'so record evidence, or fail the run'
    return `nothing is out and success criterion ${open + 1} has no evidence: ${more}, ${ways}`
  }
  if (counts.tasks === 0 && spent === null) return 'dispatch the first tasks'
  return spent === null ? 'complete the run, or dispatch more work' : 'complete the run, or fail it'
}

/** What keeps the run from going on by itself. */
export function blockersOf(state: RunState, show: Show = plain): string[] {
  const blockers: string[] = []
  if (state.blockedReason !== null) blockers.push(`blocked: ${show(state.blockedReason)}`)
  if (state.pausedReason !== null) blockers.push(`paused: ${show(state.pausedReason)}`)
  if (state.stopped.size > 0) {
    const wait = state.stopped.size === 1 ? 'waits' : 'wait'
    blockers.push(`${names(state.stopped, show)} stopped and ${wait} for a decision`)
  }
  return blockers
}

export const count = (many: number, what: string): string => `${many} ${what}${many === 1 ? '' : 's'}`

/** `task a`, or `7 tasks (a, b, c, d, e, …)`. */
function names(ids: ReadonlySet<string>, show: Show): string {
  const some = [...take(ids, idsShown)].map((id) => show(clipped(id, 80)))
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
