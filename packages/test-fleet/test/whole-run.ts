import type { TaskRequest } from '@reprise/core'
import { acceptedTasks, dataOf, echoTasks, type LogFacts, logFacts, type Place } from '@reprise/test-fleet'
import { expect } from 'vitest'

/** Claims and leases that run out soon, so that tests see it. Milliseconds. */
export const claimTtlMs = 1_500
export const leaseTtlMs = 1_500

/** Tasks that take `ms` each. */
export const paceTasks = (count: number, ms: number): TaskRequest[] =>
  echoTasks(count).map((task) => ({ ...task, kind: 'pace', input: { ms } }))

const idsOf = (tasks: readonly TaskRequest[]): string[] => tasks.map(({ taskId }) => taskId).sort()

/**
 * A run that has ended as if nothing had happened: one intact log, every task handed out once, received once, under the
 * digest of what was handed out, and accepted once.
 */
export async function expectWhole(place: Place, runId: string, tasks: readonly TaskRequest[]): Promise<LogFacts> {
  const facts = await logFacts(place, runId)
  const ids = idsOf(tasks)
  expect(acceptedTasks(facts)).toEqual(ids)
  expect(dataOf(facts, 'run-completed')).toHaveLength(1)
  const dispatched = dataOf(facts, 'dispatched')
  expect(dispatched.map(({ taskId }) => taskId).sort()).toEqual(ids)
  expect(dispatched.every(({ attempt }) => attempt === 1)).toBe(true)
  const received = dataOf(facts, 'receipt-received').map(({ receipt }) => [receipt.taskId, receipt.dispatchDigest])
  expect(received.sort()).toEqual(dispatched.map(({ taskId, digest }) => [taskId, digest]).sort())
  return facts
}

/** Tasks accepted by the holder of the `n`-th epoch. */
export function acceptedUnder({ commits, epochs }: LogFacts, n: number): string[] {
  const events = commits.filter(({ epoch }) => epoch === epochs[n]).flatMap((commit) => commit.events)
  return events.flatMap((event) => (event.type === 'task-accepted' ? [event.data.taskId as string] : []))
}
