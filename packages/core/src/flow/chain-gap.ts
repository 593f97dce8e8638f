import { oneLine } from '../protocol/one-line.js'
import type { OpenTask, RunState } from '../protocol/state.js'
import { type ChainLink, type ChainLinkName, endedInRefusal, type InboxSight, type QueueSight } from './chain-links.js'
import { policyOf } from './decision.js'
import { count } from './next-action.js'
import type { AttemptFacts, TaskHistory } from './task-history.js'

/** The first link that is not done. */
export interface ChainGap {
  readonly link: ChainLinkName
  readonly state: 'missing' | 'unknown'
  /** What it waits for and what to do, in one sentence. */
  readonly text: string
}

/** A chain and what its links were made from. */
export interface ChainFacts {
  readonly state: RunState
  readonly history: TaskHistory
  readonly facts: AttemptFacts
  readonly queue: QueueSight
  readonly inbox: InboxSight
  readonly links: readonly ChainLink[]
}

const idsShown = 5

/** `null`: nothing is missing; or the task was given up, and nothing will ever come. */
export function chainGap(chain: ChainFacts): ChainGap | null {
  const { settled } = chain.history
  if (settled !== null && settled.outcome !== 'accepted') return null
  const first = chain.links.find((link) => link.state !== 'done')
  if (first === undefined || first.state === 'done') return null
  return { link: first.link, state: first.state, text: textOf(chain, first) }
}

function textOf(chain: ChainFacts, { link, state: known, evidence }: ChainLink): string {
  const { state, history, facts, queue, inbox } = chain
  if (known === 'unknown') {
    const isFull = inbox.seen && (link === 'acknowledged' || queue.at !== 'unasked')
    return `${evidence}: ask again ${isFull ? 'when a coordinator has taken more of it in' : 'with an adapter that can and may tell'}`
  }
  if (link === 'acknowledged' && facts.recorded !== null) return `${evidence}, though it is recorded: ${forgets(state)}`
  if (state.mode === 'closed') return `nothing follows: the run is ${state.status}`
  const task = state.tasks.get(history.taskId)
  if (task?.phase === 'stopped') {
    return `attempt ${task.attempt} has stopped (${oneLine(task.stopReason ?? '', 200)}) and waits for a decision: retry, abandon or cancel the task`
  }
  const due = facts.dispatched?.deadlineAt
  switch (link) {
    case 'planned':
    case 'dispatched':
      return `it waits ${turnOf(state, task)}`
    case 'offered':
      return `its coordinator was stopped before it could offer it, or a worker has settled it without a receipt: ${open(state)}, which offers it again, or wait until ${due}, when it expires`
    case 'claimed':
      return unclaimed(chain, `it waits on lane ${laneOf(chain)} until ${due}`)
    case 'receipt-sent':
      return `its worker is at work, or dead: wait until ${due}, when the attempt expires; if the worker is dead, the queue hands the attempt to another as soon as its claim runs out`
    case 'recorded':
      return endedInRefusal(facts, queue, inbox) !== null
        ? `its receipt was ${evidence}: mend that, and wait until ${due}, when the attempt expires and the next one follows`
        : `its receipt lies in the inbox and waits for a coordinator: ${open(state)}`
    case 'acknowledged':
    case 'settled':
      return 'its receipt is recorded and waits for a decision: accept, reject or retry it'
  }
}

/** What a planned attempt waits for. */
function turnOf(state: RunState, task: OpenTask | undefined): string {
  const needed = task?.spec.after.filter((id) => !state.settled.has(id)) ?? []
  if (needed.length > 0) {
    const ids = needed.slice(0, idsShown).map((id) => oneLine(id, 80))
    const more = needed.length > idsShown ? `, and ${needed.length - idsShown} more` : ''
    return `for ${count(needed.length, 'task')} to be accepted (${ids.join(', ')}${more}): see to ${needed.length === 1 ? 'that' : 'those'} first`
  }
  if (state.blockedReason !== null) return `while the run is blocked (${oneLine(state.blockedReason, 200)}): unblock it`
  if (state.pausedReason !== null) return `while the run is paused (${oneLine(state.pausedReason, 200)}): unpause it`
  const { evaluateFirst, inFlightMax } = policyOf(state)
  if (evaluateFirst && state.received.size > 0) {
    return `for a decision on ${count(state.received.size, 'receipt')} that came back: accept, reject or retry each`
  }
  if (task?.notBefore != null) return `until ${task.notBefore}, and then for a slot: ${open(state)}`
  if (state.counts.out >= inFlightMax) return `for a slot: ${inFlightMax} attempts are out, and no more may be`
  return `for the coordinator: ${open(state)}`
}

function unclaimed({ queue, history }: ChainFacts, where: string): string {
  if (queue.at !== 'queued' || queue.deliveries === 0) {
    return `${where}: start a worker for that lane and for tasks of kind ${oneLine(history.spec?.kind ?? '', 128)}`
  }
  return `${where} and was handed out ${count(queue.deliveries, 'time')} before: look why its workers died or gave it back, and that one is there`
}

const laneOf = ({ history }: ChainFacts): string => oneLine(history.spec?.lane ?? '', 128)

/** Who is to go on with the run. */
function open({ lock }: RunState): string {
  if (lock === null) return 'nobody holds the run, so open it'
  const { id, host, pid } = lock.holder
  return `by the log ${oneLine(id, 128)} (process ${pid} on ${oneLine(host, 64)}) holds the run: if it is gone, open the run`
}

function forgets(state: RunState): string {
  if (state.mode === 'closed') return 'nothing is lost, and nothing is to be done'
  return `nothing is lost; whoever holds the run forgets it by itself (${open(state)})`
}
