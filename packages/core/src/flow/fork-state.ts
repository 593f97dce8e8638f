import type { TaskId } from '../protocol/ids.js'
import type { OpenTask, RecentEvents, RunState } from '../protocol/state.js'

/**
 * A state that can be folded further without touching the one it comes from, as long as that one is not folded
 * itself. Costs a copy of the open tasks, nothing per settled one. Events that name a cause must not be folded into it:
 * senders are shared.
 */
export function forkState(state: RunState): RunState {
  const tasks = new Map<TaskId, OpenTask>()
  for (const [id, task] of state.tasks) tasks.set(id, { ...task })
  const dependents = new Map<TaskId, TaskId[]>()
  for (const [id, waiting] of state.dependents) dependents.set(id, [...waiting])
  return {
    ...state,
    criteria: [...state.criteria],
    tasks,
    settled: new LayeredMap(state.settled),
    ready: state.ready.map((ids) => new Set(ids)),
    delayed: [...state.delayed],
    dependents,
    received: new Set(state.received),
    stopped: new Set(state.stopped),
    counts: { ...state.counts },
    spent: { ...state.spent },
    recent: copyRecent(state.recent),
  }
}

/** Folding changes these lists in place. */
export function copyRecent({ decisions, notes, settled, troubles, givenUp, refusals }: RecentEvents): RecentEvents {
  return {
    ...{ decisions: [...decisions], notes: [...notes], settled: [...settled] },
    ...{ troubles: [...troubles], givenUp: [...givenUp], refusals: [...refusals] },
  }
}

/** What is set here, over what is in `base`. Nothing is ever taken out: a settled task stays settled. */
class LayeredMap<K, V> extends Map<K, V> {
  constructor(private readonly base: ReadonlyMap<K, V>) {
    super()
  }

  override get size(): number {
    return this.base.size + super.size
  }

  override has(key: K): boolean {
    return super.has(key) || this.base.has(key)
  }

  override get(key: K): V | undefined {
    return super.get(key) ?? this.base.get(key)
  }

  override *entries(): MapIterator<[K, V]> {
    yield* this.base.entries()
    yield* super.entries()
  }

  override [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries()
  }

  override *keys(): MapIterator<K> {
    for (const [key] of this.entries()) yield key
  }

  override *values(): MapIterator<V> {
    for (const [, value] of this.entries()) yield value
  }

  override forEach(visit: (value: V, key: K, map: Map<K, V>) => void): void {
    for (const [key, value] of this.entries()) visit(value, key, this)
  }
}
