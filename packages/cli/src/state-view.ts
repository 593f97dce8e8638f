import { type Commit, type RunEvent, type RunState, settledOutcome, type TaskId } from '@reprise/core'

/** An event, where it stands, and the state that it leaves. */
export interface Seen {
  state: RunState
  event: RunEvent
  commit: Commit
}

/** A name of an expression: its type in CEL, what it is, and how it is read. */
export interface ViewedName {
  readonly type: 'int' | 'double' | 'string' | 'dyn' | 'map<string, dyn>'
  readonly says: string
  readonly read: (seen: Seen) => unknown
}

type Names = Readonly<Record<string, ViewedName>>

// Read from what is being folded: an expression costs what it looks at, and nothing is copied per event. CEL keeps whole
// numbers apart from others, as bigints.
const int = (says: string, read: (seen: Seen) => number): ViewedName => ({
  type: 'int',
  says,
  // A log that something else wrote may hold other numbers there.
  read: (seen) => BigInt(Math.trunc(Number(read(seen))) || 0),
})
const text = (says: string, read: (seen: Seen) => string): ViewedName => ({ type: 'string', says, read })
const any = (says: string, read: (seen: Seen) => unknown): ViewedName => ({ type: 'dyn', says, read })

/** Of the run behind the event. */
const runNames: Names = {
  version: int('number of events', ({ state }) => state.version),
  at: text('time of the commit', ({ state }) => state.at),
  epoch: int('version of the lock in force', ({ state }) => state.epoch),
  status: text('running, awaiting-result, paused, blocked, complete, failed', ({ state }) => state.status),
  mode: text('recovering, dispatching, awaiting, evaluating, closed', ({ state }) => state.mode),
  goal: text('what the run is for', ({ state }) => state.goal),
  holder: text('id of who holds the lock, or ""', ({ state }) => state.lock?.holder.id ?? ''),
  round: int('of the last closed round', ({ state }) => state.round),
  resumed: int('epoch whose resume gates have all passed', ({ state }) => state.resumedEpoch),
  paused: any('why it is paused, or null', ({ state }) => state.pausedReason),
  blocked: any('why it is blocked, or null', ({ state }) => state.blockedReason),
  closing: any('summary or reason once it is complete or failed, or null', ({ state }) => state.closing),
  checkpoint: any('{ dueAt, note }, or null', ({ state }) => state.checkpoint),
  criteria: any('per success criterion { evidence, tasks, version, at }, or null', ({ state }) => state.criteria),
  policy: any('every limit by its name', ({ state }) => state.policy),
  tasks: {
    type: 'map<string, dyn>',
    says: 'open tasks by id: { phase, attempt, spec, digest, deadlineAt, dispatchedAt, receipt, stopReason, … }',
    read: ({ state }) => state.tasks,
  },
}

const countNames = [
  ...(['tasks', 'planned', 'out', 'received', 'stopped', 'accepted', 'cancelled', 'abandoned'] as const),
  ...(['attempts', 'retries', 'expired', 'receiptsRejected', 'spawnsRefused', 'commandsRefused'] as const),
]

const groups: Readonly<Record<string, Names>> = {
  counts: {
    open: int('tasks that are not settled', ({ state }) => state.tasks.size),
    ...Object.fromEntries(countNames.map((name) => [name, int(name, ({ state }) => state.counts[name])])),
  },
  spent: {
    tokens: { type: 'double', says: 'by receipts', read: ({ state }) => state.spent.tokens },
    costUsd: { type: 'double', says: 'by receipts', read: ({ state }) => state.spent.costUsd },
  },
  event: {
    type: text('such as task-accepted', ({ event }) => event.type),
    data: any('its data, as reprise log --json shows it', ({ event }) => event.data),
    task: text('id of the task that it is about, or ""', ({ event }) => taskIdOf(event)),
    sender: text('who sent the message that it answers, or ""', ({ event }) => event.cause?.sender ?? ''),
  },
  commit: {
    index: int('from 0', ({ commit }) => commit.index),
    actor: text('who appended it', ({ commit }) => commit.actor),
    epoch: int('under which it was appended', ({ commit }) => commit.epoch),
  },
}

/** Names on their own, and names behind a point. */
export const viewedNames = { run: runNames, groups }

/** `phase("TASK")`: where a task stands, whether or not it is there. */
export function phaseOf({ state }: Seen, taskId: string): string {
  const open = state.tasks.get(taskId as TaskId)
  if (open !== undefined) return open.phase
  const packed = state.settled.get(taskId as TaskId)
  return packed === undefined ? 'unknown' : settledOutcome(packed)
}

function taskIdOf({ data }: RunEvent): string {
  if ('receipt' in data) return data.receipt.taskId
  return 'taskId' in data && data.taskId !== undefined ? data.taskId : ''
}
