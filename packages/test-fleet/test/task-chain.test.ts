import { type Adapter, openRun, type TaskChain, taskChain, traceChain } from '@reprise/core'
import { openPlace, type Place, ProcessFleet, TestFolders } from '@reprise/test-fleet'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { nats, redis, useBackend } from './backends.js'

const runId = 'chained'
const traceId = 'over-two-runs'
/** No claim runs out while a test looks. */
const claimTtlMs = 600_000
/** Longer than anything here takes on any machine. */
const patience = { timeout: 30_000 }

interface Setting {
  readonly fleet: ProcessFleet
  newPlace(): Promise<Place>
  /** Ends what the run lies on with SIGKILL, if that is a process, and starts it again. */
  restart(): Promise<void>
}

function files(): Setting {
  const [fleet, folders] = [new ProcessFleet(), new TestFolders()]
  afterEach(async () => {
    await fleet.endAll()
    await folders.removeAll()
  })
  return { fleet, newPlace: async () => ({ files: await folders.make() }), restart: async () => {} }
}

function on(backend: typeof redis): Setting {
  const stage = useBackend(backend)
  return {
    fleet: stage.fleet,
    newPlace: async () => stage.newPlace(),
    restart: async () => {
      await stage.server.kill()
      await stage.server.restart()
    },
  }
}

const linkOf = ({ links }: TaskChain, name: string) => links.find(({ link }) => link === name)
const missing = async (chain: Promise<TaskChain>) => (await chain).firstMissing?.link ?? null

const chainOf = (adapter: Adapter, taskId: string): Promise<TaskChain> => taskChain({ adapter, runId, taskId })

async function traceOf(adapter: Adapter) {
  const { tasks, ...rest } = await traceChain({ adapter, traceId })
  return { ...rest, told: tasks.map(({ taskId, outcome, missing }) => `${taskId} ${outcome ?? missing?.link}`) }
}

describe.each([
  // Who asks where an attempt is asks its worker there, and a dead one does not answer.
  { name: 'nats', use: () => on(nats), ofDead: 'claimed' },
  { name: 'redis', use: () => on(redis), ofDead: 'receipt-sent' },
  { name: 'files', use: files, ofDead: 'receipt-sent' },
])('the chain of a task over $name', ({ use, ofDead }) => {
  const { fleet, newPlace, restart } = use()

  it('names the first link that is missing, whoever of those who would make it is dead', async () => {
    const place = await newPlace()
    const task = { kind: 'hold', input: {}, traceId }
    const tasks = ['unserved', 'deadly', 'good'].map((lane) => ({ ...task, taskId: lane, lane }))
    const coordinator = fleet.start('coordinator', { place, run: { runId, goal: 'chains' }, tasks, finish: false })
    await coordinator.line('dispatched')
    const adapter = await openPlace(place)
    onTestFinished(() => adapter.close())
    await expect.poll(() => missing(chainOf(adapter, 'unserved')), patience).toBe('claimed')
    expect((await chainOf(adapter, 'unserved')).firstMissing?.text).toMatch(/start a worker for that lane/)

    const [dying, working] = ['deadly', 'good'].map((lane) =>
      fleet.start('worker', { place, claimTtlMs, lanes: [lane], workerId: `worker-${lane}` }),
    )
    if (dying === undefined || working === undefined) throw new Error('There are two workers.')
    await Promise.all([dying.line('holding'), working.line('holding')])
    for (const lane of ['deadly', 'good']) {
      await expect.poll(() => missing(chainOf(adapter, lane)), patience).toBe('receipt-sent')
      expect(linkOf(await chainOf(adapter, lane), 'claimed')?.workerId).toBe(`worker-${lane}`)
    }
    await dying.kill()
    await expect.poll(() => missing(chainOf(adapter, 'deadly')), patience).toBe(ofDead)

    await coordinator.kill()
    working.tell({ go: true })
    const { cause } = await working.line('receipt')
    const waiting = { firstMissing: { link: 'recorded', state: 'missing' }, refused: { total: 0 } }
    const sent = await chainOf(adapter, 'good')
    expect(sent).toMatchObject(waiting)
    expect(linkOf(sent, 'receipt-sent')).toMatchObject({ workerId: 'worker-good', message: cause })
    await restart()
    // By another adapter: this one may still be on its way back to the server.
    const later = await openPlace(place)
    onTestFinished(() => later.close())
    expect(await chainOf(later, 'good')).toMatchObject(waiting)
    expect((await traceOf(later)).told).toEqual(expect.arrayContaining(['unserved claimed', 'good recorded']))

    const run = await openRun({ adapter: later, runId, goal: 'chains', waitForMs: 30_000, takeover: 'now' })
    await expect.poll(() => missing(chainOf(later, 'good')), patience).toBe('settled')
    const recorded = linkOf(await chainOf(later, 'good'), 'recorded')
    expect(recorded).toMatchObject({ workerId: 'worker-good', message: cause })
    await run.accept('good')
    expect(await chainOf(later, 'good')).toMatchObject({ phase: 'accepted', firstMissing: null })
    await run.cancel('deadly', 'its worker is dead')
    expect(await chainOf(later, 'deadly')).toMatchObject({ phase: 'cancelled', firstMissing: null })

    const next = await openRun({ adapter: later, runId: 'a-later-one', goal: 'chains' })
    await next.dispatch({ ...task, taskId: 'step', lane: 'unserved' })
    await expect
      .poll(async () => (await traceOf(later)).told, patience)
      .toEqual(['unserved claimed', 'deadly cancelled', 'good accepted', 'step claimed'])
    expect((await traceOf(later)).firstMissing).toMatchObject({ runId, taskId: 'unserved', link: 'claimed' })
    await run.cancel('unserved', 'nobody serves it')
    await Promise.all([run.close(), next.close()])
    const { firstMissing } = await traceOf(later)
    expect(firstMissing).toMatchObject({ runId: 'a-later-one', taskId: 'step', link: 'claimed' })
  }, 120_000)
})
