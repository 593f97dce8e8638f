import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openRun, type TaskRequest } from '@reprise/core'
import { acceptedTasks, dataOf, echoTasks, finishRun, logFacts, startEchoWorker } from '@reprise/test-fleet'
import { expect, it, vi } from 'vitest'
import { openFiles } from '../src/index.js'
import { logBytes, logPath } from './log-file.js'
import { setUpProcesses } from './process-set-up.js'
import { strace } from './strace.js'

const { fleet, folders } = setUpProcesses()

const runId = 'zombie-run'
const runOf = (leaseTtlMs: number) => ({ runId, goal: 'one history', policy: { leaseTtlMs } })

it.each([
  ['when its lease has run out', 600, { takeover: 'when-dead', waitForMs: 15_000 }, 'lease-expired'],
  ['at once when it is forced', 60_000, { takeover: 'now' }, 'forced'],
])(
  'takes over from a stopped coordinator %s, and the stopped one can never append again',
  async (_, leaseTtlMs, takeover, reason) => {
    const run = runOf(leaseTtlMs)
    const work = { place: { files: await folders.make() }, tasks: echoTasks(4) }
    const zombie = fleet.start('coordinator', { ...work, run, finish: false })
    await zombie.line('dispatched')
    zombie.signal('SIGSTOP')
    const successor = fleet.start('coordinator', { ...work, run: { ...run, ...takeover } })
    await successor.line('opened')

    zombie.tell({ note: 'from the past' })
    zombie.signal('SIGCONT')
    expect(await zombie.end()).toBe(3)
    expect(zombie.said('stopped')).toEqual(['LOCK_LOST'])
    expect(zombie.said('failed')).toEqual(['LOCK_LOST'])
    const worker = await startEchoWorker(work.place)
    expect(await successor.end()).toBe(0)
    await worker.close()

    const facts = await logFacts(work.place, runId)
    expect(acceptedTasks(facts)).toEqual(work.tasks.map(({ taskId }) => taskId))
    expect(dataOf(facts, 'lock-acquired').map((lock) => lock.reason)).toEqual(['opened', reason])
    expect(dataOf(facts, 'note-added')).toEqual([])
    expect(dataOf(facts, 'dispatched').map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1])
  },
)

it('makes a dead line of what a coordinator writes that was stopped in the middle of its append', async () => {
  const run = runOf(600)
  const work = { place: { files: await folders.make() }, tasks: echoTasks(4) }
  const path = logPath(work.place.files, runId)
  const trace = join(await folders.make(), 'trace')
  // Opening, resuming and dispatching take three; the note is the fourth. That write is interrupted before it has written
  // anything, by a signal that stops the process, and is made again as the first thing after it was woken up.
  const late = strace({ call: 'write', does: 'error=EINTR:signal=SIGSTOP', when: 4, path, trace })
  const zombie = fleet.start('coordinator', { ...work, run, finish: false }, { through: late })
  await zombie.line('dispatched')
  zombie.tell({ note: 'from the past' })
  await vi.waitUntil(async () => (await readFile(trace, 'utf8')).includes('stopped by SIGSTOP'), { timeout: 20_000 })
  const worker = await startEchoWorker(work.place)
  await finishRun({ ...work, run: { ...run, waitForMs: 4_000 } })
  await worker.close()
  const before = await logFacts(work.place, runId)

  zombie.signal('SIGCONT')
  expect(await zombie.end()).toBe(3)
  expect(zombie.said('noted')).toEqual([])
  expect(zombie.said('failed')).toEqual(['LOCK_LOST'])
  const facts = await logFacts(work.place, runId)
  expect(facts.commits).toEqual(before.commits)
  const lines = (await logBytes(work.place.files, runId)).toString().trimEnd().split('\n')
  expect(lines).toHaveLength(facts.commits.length + 1)
  expect(lines.filter((line) => line.includes('from the past'))).toHaveLength(1)
  expect(facts.epochs).toHaveLength(2)
  expect(acceptedTasks(facts)).toEqual(work.tasks.map(({ taskId }) => taskId))
})

/** One task that a worker in another process has begun and, being stopped, will not end; this process ends it. */
async function outliveStopped(kind: 'hold' | 'freeze') {
  const dir = await folders.make()
  const task: TaskRequest = { taskId: 'slow', kind, input: { n: 1 } }
  const adapter = await openFiles({ dir })
  const held = await openRun({ adapter, runId, goal: 'one acceptance' })
  await held.dispatch(task)
  const zombie = fleet.start('worker', { place: { files: dir }, claimTtlMs: 600 })
  await zombie.line('holding')
  // A frozen one stops itself.
  if (kind === 'hold') zombie.signal('SIGSTOP')
  const worker = await startEchoWorker({ files: dir }, [kind])
  for await (const result of held.results()) await result.accept()
  await worker.close()
  return { dir, held, zombie, adapter }
}

it('tells the handler of a worker that was stopped past its claim that the claim is lost', async () => {
  const { dir, held, zombie, adapter } = await outliveStopped('hold')
  zombie.signal('SIGCONT')
  expect((await zombie.line('aborted')).aborted).toBe('CLAIM_LOST')
  await held.complete('done')
  await adapter.close()

  const facts = await logFacts({ files: dir }, runId)
  expect(zombie.said('receipt')).toEqual([])
  expect(acceptedTasks(facts)).toEqual(['slow'])
  expect(dataOf(facts, 'dispatched').map(({ attempt }) => attempt)).toEqual([1])
})

it('refuses the receipt that a worker sends after it was stopped past its claim', async () => {
  const { dir, held, zombie, adapter } = await outliveStopped('freeze')
  const rejected = new Promise((resolve) => held.once('receipt-rejected', resolve))
  // It says that it holds the task before it stops: woken too early, it would sleep for ever.
  const waking = setInterval(() => zombie.signal('SIGCONT'), 20)
  await zombie.line('receipt').finally(() => clearInterval(waking))
  await rejected
  await held.complete('done')
  await adapter.close()

  const facts = await logFacts({ files: dir }, runId)
  expect(acceptedTasks(facts)).toEqual(['slow'])
  expect(dataOf(facts, 'receipt-received')).toHaveLength(1)
  expect(dataOf(facts, 'receipt-rejected')).toMatchObject([{ gate: 'current-attempt', taskId: 'slow', attempt: 1 }])
})
