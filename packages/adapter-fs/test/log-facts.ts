import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Commit,
  type EventData,
  type EventType,
  type RunEvent,
  type RunId,
  readCommits,
  verifyRun,
} from '@reprise/core'
import { expect } from 'vitest'
import { openFiles } from '../src/index.js'

/** What the log of a run says, and nothing else. */
export interface LogFacts {
  readonly commits: readonly Commit[]
  readonly events: readonly RunEvent[]
  /** Of each `lock-acquired`, in order. */
  readonly epochs: readonly number[]
}

export const logPath = (dir: string, runId: string): string => join(dir, 'runs', runId, 'log.jsonl')
export const logBytes = (dir: string, runId: string): Promise<Buffer> => readFile(logPath(dir, runId))

/**
 * Reads a log from its start, after its hash chain was verified, and checks the fence: epochs grow, every commit
 * carries the epoch in force, and nobody but the holder of that epoch has written under it.
 */
export async function logFacts(dir: string, runId: string): Promise<LogFacts> {
  const adapter = await openFiles({ dir })
  try {
    expect(await verifyRun(adapter.log, runId as RunId)).toMatchObject({ ok: true })
    const commits: Commit[] = []
    for await (const commit of readCommits(adapter.log, runId as RunId)) commits.push(commit)
    return { commits, events: commits.flatMap(({ events }) => events), epochs: checkFence(commits) }
  } finally {
    await adapter.close()
  }
}

function checkFence(commits: readonly Commit[]): number[] {
  const epochs: number[] = []
  let version = 0
  let holder = ''
  for (const commit of commits) {
    for (const event of commit.events) {
      version++
      if (event.type !== 'lock-acquired') continue
      epochs.push(version)
      holder = event.data.holder.id
    }
    expect(commit).toMatchObject({ version, epoch: epochs.at(-1), actor: holder })
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
