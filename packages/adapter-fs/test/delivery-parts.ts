import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ConsumeOptions, Delivery, InboxMessage, Offer, RunId, TaskId } from '@reprise/core/adapter'
import { onTestFinished } from 'vitest'
import { FilesInbox } from '../src/files-inbox.js'
import { FilesLeases } from '../src/files-leases.js'
import { FilesQueue } from '../src/files-queue.js'
import { Lifetime } from '../src/lifetime.js'

export interface DeliveryParts {
  readonly queue: FilesQueue
  readonly inbox: FilesInbox
  readonly leases: FilesLeases
  close(): Promise<void>
}

export function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'reprise-delivery-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** The delivering parts of an adapter, with small files if asked for. Closed with the test. */
export function openParts(
  dir: string,
  options: { segmentBytesMax?: number; partBytesMax?: number } = {},
): DeliveryParts {
  const lifetime = new Lifetime()
  const leases = new FilesLeases(dir, lifetime)
  const queue = new FilesQueue(dir, leases, lifetime, options)
  const inbox = new FilesInbox(dir, lifetime, options)
  const close = async (): Promise<void> => {
    await queue.close()
    lifetime.end()
    await inbox.close()
  }
  onTestFinished(close)
  return { queue, inbox, leases, close }
}

export const run = 'run-1' as RunId

export const anOffer = (
  task: string,
  { attempt = 1, lane = 'default', body = JSON.stringify({ task }) } = {},
): Offer => ({
  runId: run,
  taskId: task as TaskId,
  attempt,
  lane,
  digest: 'd'.repeat(64),
  body,
})

export const offersNamed = (count: number, prefix = 'task-'): Offer[] =>
  Array.from({ length: count }, (_, i) => anOffer(`${prefix}${i}`))

export const aMessage = (sender: string, seq: number, body = `{"seq":${seq}}`): InboxMessage => ({
  sender,
  seq,
  kind: 'receipt',
  body,
})

export const worker = (workerId: string, options: Partial<ConsumeOptions> = {}): ConsumeOptions => ({
  workerId,
  concurrency: 4,
  // No test waits for it to run out, and no pause of the machine is so long.
  claimTtlMs: 3_600_000,
  onError: (error) => {
    throw error
  },
  ...options,
})

export const taskOf = (delivery: Delivery): string => delivery.offer.taskId

/** Resolves once the condition holds; fails after 20 s. */
export async function until(condition: () => boolean | Promise<boolean>, what = 'the condition'): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not come true in 20 s`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** Kills a process with the test, and waits for its end: it must not write into a folder that is being removed. */
export function killWithTest(child: ChildProcess): void {
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  })
}

/** A promise and what settles it. */
export function gate(): { readonly open: () => void; readonly opened: Promise<void> } {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}
