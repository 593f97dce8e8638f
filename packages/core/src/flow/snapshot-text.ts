import type { RunId, TaskId } from '../protocol/ids.js'
import type { OpenTask, RunState } from '../protocol/state.js'
import { knownEvents } from '../protocol/upcast.js'
import { copyRecent } from './fork-state.js'

/** Version of the lines of a snapshot. */
export const snapshotFormat = 1

/**
 * Version of what folding gives. It is raised with every change by which `reduceEvent` makes another state of an old
 * log, or the state has another form: a snapshot of before that is dropped.
 */
export const stateVersion = 2

/** The commit that left the state, and the first one. */
export interface SnapshotPosition {
  readonly commits: number
  readonly version: number
  readonly head: string
  readonly first: string
}

/** A state as it was at one instant. What has since been folded into the original does not show. */
export interface CapturedState {
  readonly runId: RunId | null
  readonly fields: PlainFields
  /** Not copied: as many, from the first on, are of that instant. */
  readonly settled: { readonly all: RunState['settled']; readonly count: number }
  readonly tasks: readonly OpenTask[]
  readonly ready: readonly (readonly TaskId[])[]
  readonly delayed: RunState['delayed']
  readonly dependents: readonly (readonly [TaskId, TaskId[]])[]
  readonly received: readonly TaskId[]
  readonly stopped: readonly TaskId[]
  readonly senders: readonly SenderEntry[]
}

export type SenderEntry = readonly [name: string, next: number, ahead: readonly number[]]

/** The first line. */
export interface SnapshotHeader extends SnapshotPosition {
  readonly snapshot: number
  readonly state: number
  /** That the library knew which wrote it: some of them may be behind it. */
  readonly events: readonly string[]
  readonly runId: RunId
}

/** Each line of a snapshot says what it holds. */
export type SnapshotLine =
  | SnapshotHeader
  | { readonly fields: PlainFields }
  | { readonly settled: readonly TaskId[]; readonly as: readonly number[] }
  | { readonly task: OpenTask }
  | { readonly ready: readonly TaskId[]; readonly priority: number }
  | { readonly delayed: RunState['delayed'] }
  | { readonly dependents: readonly (readonly [TaskId, TaskId[]])[] }
  | { readonly received: readonly TaskId[] }
  | { readonly stopped: readonly TaskId[] }
  | { readonly senders: readonly SenderEntry[] }

const listNames = ['tasks', 'settled', 'ready', 'delayed', 'dependents', 'received', 'stopped', 'senders'] as const

/** What is small, whatever the run: everything but the tables. */
export type PlainFields = Omit<RunState, (typeof listNames)[number]>

/** Small entries that stand in one line: some ten kilobytes, so that a line is soon made and soon read. */
const entriesPerLine = 1_000

/** Costs a copy of the open tasks and of the senders, nothing per settled task. */
export function captureState(state: RunState): CapturedState {
  const { settled, ready, delayed, received, stopped } = state
  return {
    runId: state.runId,
    fields: plainFields(state),
    settled: { all: settled, count: settled.size },
    tasks: Array.from(state.tasks.values(), (task) => ({ ...task })),
    ready: ready.map((ids) => [...ids]),
    delayed: [...delayed],
    dependents: Array.from(state.dependents, ([taskId, waiting]) => [taskId, [...waiting]]),
    received: [...received],
    stopped: [...stopped],
    senders: Array.from(state.senders, ([name, { next, ahead }]): SenderEntry => [name, next, [...ahead]]),
  }
}

/** With copies of what folding changes in place; everything else it replaces. */
function plainFields(state: RunState): PlainFields {
  const { tasks, settled, ready, delayed, dependents, received, stopped, senders, ...fields } = state
  return {
    ...fields,
    criteria: [...state.criteria],
    counts: { ...state.counts },
    spent: { ...state.spent },
    recent: copyRecent(state.recent),
  }
}

/** The snapshot of a run, line by line without their ends; the same state gives the same lines. */
export function* snapshotLines(position: SnapshotPosition, captured: CapturedState): Generator<string, void> {
  for (const line of linesOf(position, captured)) yield JSON.stringify(line)
}

function* linesOf(position: SnapshotPosition, captured: CapturedState): Generator<SnapshotLine> {
  const versions = { snapshot: snapshotFormat, state: stateVersion, events: knownEvents() }
  yield { ...versions, runId: captured.runId as RunId, ...position }
  yield { fields: captured.fields }
  for (const entries of groups(firstOf(captured.settled.all, captured.settled.count), entriesPerLine)) {
    yield { settled: entries.map(([taskId]) => taskId), as: entries.map(([, outcome]) => outcome) }
  }
  // One each: they carry inputs and receipts.
  for (const task of captured.tasks) yield { task }
  for (const [priority, ids] of captured.ready.entries()) {
    for (const ready of groups(ids, entriesPerLine)) yield { ready, priority }
  }
  for (const delayed of groups(captured.delayed, entriesPerLine)) yield { delayed }
  for (const dependents of groups(captured.dependents, entriesPerLine)) yield { dependents }
  for (const received of groups(captured.received, entriesPerLine)) yield { received }
  for (const stopped of groups(captured.stopped, entriesPerLine)) yield { stopped }
  for (const senders of groups(captured.senders, entriesPerLine)) yield { senders }
}

function* firstOf<T>(items: Iterable<T>, count: number): Generator<T> {
  let left = count
  if (left === 0) return
  for (const item of items) {
    yield item
    if (--left === 0) return
  }
}

function* groups<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let group: T[] = []
  for (const item of items) {
    if (group.push(item) < size) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}
