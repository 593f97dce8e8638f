import type { TaskRequest } from '@reprise/core'
import {
  acceptedTasks,
  dataOf,
  echoTasks,
  type FleetProcess,
  type LogFacts,
  logFacts,
  type Place,
} from '@reprise/test-fleet'
import { expect } from 'vitest'

/** Claims and leases that run out soon, so that tests see it. Milliseconds. */
export const claimTtlMs = 1_500
export const leaseTtlMs = 1_500

/**
 * Tasks that take `ms` each. From the number `gates[0]` on they do not end before the test has opened a gate, from
 * `gates[1]` on before it has opened two: the run is not over before, however late the test comes to break something.
 * More than `inFlightMax` lie between what the test waits for and the gate: those behind it must not fill every slot.
 */
export const paceTasks = (count: number, ms: number, gates: readonly number[] = []): TaskRequest[] =>
  echoTasks(count).map((task, n) => {
    const gate = gates.filter((from) => n >= from).length
    return { ...task, kind: 'pace', input: { ms, gate } }
  })

/** Opens the next gate of the tasks, in every worker: each of them may have any. */
export function openGate(workers: readonly FleetProcess[]): void {
  for (const worker of workers) worker.tell({ go: true })
}

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
