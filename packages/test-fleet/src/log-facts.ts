import assert from 'node:assert/strict'
import {
  type Commit,
  type EventData,
  type EventType,
  type RunEvent,
  readCommits,
  runIdSchema,
  verifyRun,
} from '@reprise/core'
import { openPlace, type Place } from './place.js'

/** What the log of a run says, and nothing else. */
export interface LogFacts {
  readonly commits: readonly Commit[]
  readonly events: readonly RunEvent[]
  /** Of each `lock-acquired`, in order. */
  readonly epochs: readonly number[]
}

/**
 * Reads a log from its start, after its hash chain was verified, and checks the fence: epochs grow, every commit
 * carries the epoch in force, and nobody but the holder of that epoch has written under it. Throws an `AssertionError`
 * if not.
 */
export async function logFacts(place: Place, runId: string): Promise<LogFacts> {
  const adapter = await openPlace(place)
  const id = runIdSchema.parse(runId)
  try {
    const verdict = await verifyRun(adapter.log, id)
    assert.ok(verdict.ok, `The log of ${runId} does not verify: ${JSON.stringify(verdict)}`)
    const commits: Commit[] = []
    for await (const commit of readCommits(adapter.log, id)) commits.push(commit)
    return { commits, events: commits.flatMap(({ events }) => events), epochs: checkFence(commits) }
  } finally {
    await adapter.close()
  }
}

function checkFence(commits: readonly Commit[]): number[] {
  const epochs: number[] = []
  let expected = { version: 0, epoch: 0, actor: '' }
  for (const [index, commit] of commits.entries()) {
    for (const event of commit.events) {
      const version = expected.version + 1
      expected = { ...expected, version }
      if (event.type !== 'lock-acquired') continue
      epochs.push(version)
      expected = { version, epoch: version, actor: event.data.holder.id }
    }
    const { version, epoch, actor } = commit
    assert.deepEqual({ index: commit.index, version, epoch, actor }, { index, ...expected }, 'the fence')
  }
  return epochs
}

/** The data of every event of a type, in order. */
export const dataOf = <T extends EventType>(facts: LogFacts, type: T): EventData<T>[] =>
  facts.events.flatMap((event) => (event.type === type ? [event.data as EventData<T>] : []))

/** Task ids of every acceptance, sorted: equal to the sorted ids of the tasks if each was accepted exactly once. */
export const acceptedTasks = (facts: LogFacts): string[] =>
  dataOf(facts, 'task-accepted')
    .map(({ taskId }) => taskId as string)
    .sort()
