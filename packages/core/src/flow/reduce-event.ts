import { assertInvariant } from '../protocol/errors.js'
import type { Commit, RunEvent } from '../protocol/events.js'
import type { TaskId } from '../protocol/ids.js'
import type { RecentEvents, RunState } from '../protocol/state.js'
import { modeTable } from './mode-table.js'
import { markDecided } from './senders.js'
import { openStatus } from './status-table.js'
import { addTask, enqueue, enterPhase, goOnWith, openTask, planAgain, settle, stop } from './task-phases.js'

/** What is known before the first event. */
export function initialState(): RunState {
  return {
    runId: null,
    goal: '',
    successCriteria: [],
    criteria: [],
    policy: null,
    openedAt: null,
    forkedFrom: null,
    version: 0,
    at: '',
    epoch: 0,
    lock: null,
    mode: 'recovering',
    status: 'running',
    pausedReason: null,
    blockedReason: null,
    closing: null,
    checklist: null,
    resumedEpoch: 0,
    round: 0,
    checkpoint: null,
    statusChangedAt: 0,
    resultsChangedAt: 0,
    takenInAt: 0,
    recent: { decisions: [], notes: [], settled: [], troubles: [], givenUp: [], refusals: [] },
    tasks: new Map(),
    settled: new Map(),
    ready: Array.from({ length: 10 }, () => new Set<TaskId>()),
    delayed: [],
    dependents: new Map(),
    received: new Set(),
    stopped: new Set(),
    counts: {
      tasks: 0,
      planned: 0,
      out: 0,
      received: 0,
      stopped: 0,
      accepted: 0,
      cancelled: 0,
      abandoned: 0,
      attempts: 0,
      retries: 0,
      expired: 0,
      receiptsRejected: 0,
      spawnsRefused: 0,
      commandsRefused: 0,
    },
    spent: { tokens: 0, costUsd: 0 },
    senders: new Map(),
  }
}

/** Folds a commit. The state passed in is used up: go on with the one that comes back. */
export function reduceCommit(state: RunState, commit: Pick<Commit, 'at' | 'events'>): RunState {
  state.at = commit.at
  return commit.events.reduce(reduceEvent, state)
}

/**
 * Folds one event. The state passed in is used up (changed in place, since copying task tables would make replay
 * quadratic): go on with the one that comes back. The same events give the same state, everywhere and for ever.
 */
export function reduceEvent(state: RunState, event: RunEvent): RunState {
  state.version++
  if (event.cause !== undefined && event.cause.more !== true) markDecided(state, event.cause)
  switch (event.type) {
    case 'run-opened':
      state.runId = event.data.runId
      state.goal = event.data.goal
      state.successCriteria = event.data.successCriteria
      state.criteria = event.data.successCriteria.map(() => null)
      state.policy = event.data.policy
      state.openedAt = state.at
      return state
    case 'lock-acquired':
      state.epoch = state.version
      state.statusChangedAt = state.version
      state.lock = { holder: event.data.holder, at: state.at }
      remember(state, 'decisions', event)
      return state
    case 'lock-released':
      state.lock = null
      return state
    case 'mode-changed': {
      const { to } = event.data
      if (!modeTable[state.mode][to]) assertInvariant(false, `event ${state.version} leads from ${state.mode} to ${to}`)
      state.mode = to
      state.status = openStatus(state)
      return state
    }
    case 'resumed':
      if (!event.data.gates.every((gate) => gate.pass)) remember(state, 'troubles', event)
      else {
        state.resumedEpoch = state.epoch
        if (event.data.corrections.length > 0) remember(state, 'decisions', event)
      }
      return state
    case 'planned': {
      const task = event.data.task === undefined ? openTask(state, event.data.taskId) : addTask(state, event.data.task)
      // What the policy tries again follows its rejection, which says enough.
      if (event.data.why !== 'retry' || event.data.reason !== undefined) goOnWith(state, task)
      enterPhase(state, task, 'planned')
      task.attempt = event.data.attempt
      task.notBefore = event.data.notBefore ?? null
      task.receipt = null
      if (task.waitingFor === 0) enqueue(state, task)
      if (event.data.reason !== undefined) remember(state, 'decisions', event)
      return state
    }
    case 'dispatched': {
      const task = event.data.task === undefined ? openTask(state, event.data.taskId) : addTask(state, event.data.task)
      goOnWith(state, task)
      enterPhase(state, task, 'out')
      task.attempt = event.data.attempt
      task.digest = event.data.digest
      task.epoch = state.epoch
      task.deadlineAt = event.data.deadlineAt
      task.dispatchedAt = state.at
      task.receipt = null
      state.counts.attempts++
      if (task.attempt > 1) state.counts.retries++
      return state
    }
    case 'receipt-received': {
      const { receipt } = event.data
      const task = openTask(state, receipt.taskId)
      enterPhase(state, task, 'received')
      task.receipt = receipt
      state.resultsChangedAt = state.version
      state.spent.tokens += receipt.usage.tokens ?? 0
      state.spent.costUsd += receipt.usage.costUsd ?? 0
      return state
    }
    case 'receipt-rejected':
      // Nothing else: whoever forges receipts must not push out what is remembered either.
      state.counts.receiptsRejected++
      return state
    case 'task-accepted':
      settle(state, event.data.taskId, 'accepted')
      remember(state, 'settled', event)
      return state
    case 'task-rejected':
      stop(state, event.data.taskId, event.data.reason)
      remember(state, event.data.by === 'policy' ? 'troubles' : 'decisions', event)
      return state
    case 'attempt-expired':
      state.counts.expired++
      remember(state, 'troubles', event)
      stop(state, event.data.taskId, `attempt ${event.data.attempt} had no receipt by ${event.data.deadlineAt}`)
      return state
    case 'task-cancelled':
      rememberGivenUp(state, event)
      settle(state, event.data.taskId, 'cancelled')
      return state
    case 'task-abandoned':
      rememberGivenUp(state, event)
      settle(state, event.data.taskId, 'abandoned')
      return state
    case 'spawn-refused':
      state.counts.spawnsRefused += event.data.count
      remember(state, 'troubles', event)
      // A planned task that ran into a limit waits for a decision; a new one never came in.
      if (state.tasks.has(event.data.taskId))
        stop(state, event.data.taskId, `${event.data.rule} is ${event.data.limit}`)
      return state
    case 'paused':
      state.pausedReason = event.data.reason
      return turn(state, event)
    case 'unpaused':
      state.pausedReason = null
      return turn(state, event)
    case 'blocked':
      state.blockedReason = event.data.reason
      return turn(state, event)
    case 'unblocked':
      state.blockedReason = null
      return turn(state, event)
    case 'checkpoint-set':
      state.checkpoint = event.data
      remember(state, 'decisions', event)
      return state
    case 'criterion-met': {
      const { criterion, evidence, tasks } = event.data
      state.criteria[criterion - 1] = { evidence, tasks, version: state.version, at: state.at }
      return turn(state, event)
    }
    case 'criterion-reopened':
      state.criteria[event.data.criterion - 1] = null
      return turn(state, event)
    case 'note-added':
      remember(state, 'notes', event)
      return state
    case 'round-closed':
      state.round = event.data.round
      remember(state, 'decisions', event)
      return state
    case 'command-refused':
      state.counts.commandsRefused++
      remember(state, 'refusals', event)
      return state
    case 'run-completed':
      close(state, 'complete', event.data.summary)
      state.checklist = event.data.checklist ?? null
      return state
    case 'run-failed':
      close(state, 'failed', event.data.reason)
      return state
    case 'run-forked':
      return goOnAs(state, event)
  }
}

/** How many of a kind are kept: what a reader can take in, and a log of any length cannot make larger. */
const recentMax = {
  decisions: 32,
  notes: 16,
  settled: 32,
  troubles: 16,
  givenUp: 16,
  refusals: 16,
} as const satisfies Record<keyof RecentEvents, number>

function remember(state: RunState, kind: keyof RecentEvents, event: RunEvent): void {
  const kept = state.recent[kind]
  if (kept.length === recentMax[kind]) kept.shift()
  kept.push({ version: state.version, at: state.at, event })
}

function rememberGivenUp(
  state: RunState,
  event: Extract<RunEvent, { type: 'task-cancelled' | 'task-abandoned' }>,
): void {
  remember(state, 'settled', event)
  const { taskId, reason } = event.data
  const { after } = openTask(state, taskId).spec
  if (!after.some((needed) => reason === neededReason(needed))) remember(state, 'givenUp', event)
}

/** Why a task is cancelled with one that it needs. Logs hold this sentence and are told by it: it must not change. */
export const neededReason = (needed: TaskId): string => `it needs ${needed}, which is given up`

/** Something that a person or program decided about the run as a whole. */
function turn(state: RunState, event: RunEvent): RunState {
  state.status = openStatus(state)
  state.statusChangedAt = state.version
  remember(state, 'decisions', event)
  return state
}

function close(state: RunState, status: 'complete' | 'failed', closing: string): void {
  state.mode = 'closed'
  state.status = status
  state.closing = closing
  state.lock = null
}

/**
 * The history becomes that of another run, which nobody holds: open, whatever the first one came to. What that one had out
 * is answered there: this one has to hand it out itself.
 */
function goOnAs(state: RunState, event: Extract<RunEvent, { type: 'run-forked' }>): RunState {
  state.runId = event.data.runId
  state.forkedFrom = event.data.from
  // Limits on time would else be used up before it begins.
  state.openedAt = state.at
  state.lock = null
  state.mode = 'recovering'
  state.closing = null
  state.checklist = null
  // Who sends to a run counts its messages to that run.
  state.senders = new Map()
  planAgain(state)
  return turn(state, event)
}
