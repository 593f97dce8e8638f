import { describe, expect, it } from 'vitest'
import { type PipelineOptions, pipeline, type Stage } from '../src/patterns/pipeline.js'
import { follow, RunStage, request } from './run-stage.js'

const stages: Stage<string>[] = [
  { name: 'fetch', task: ({ taskId, item }) => request(taskId, { input: item }) },
  { name: 'read', task: ({ taskId, output }) => request(taskId, { input: output }) },
]

async function flowing(items: readonly string[], options: PipelineOptions<string> = {}, policy = {}) {
  const stage = new RunStage()
  const holding = await stage.open({ policy })
  const all = follow(pipeline(holding.run, items, stages, { name: 'p', ...options }))
  await stage.clock.settle()
  return { stage, all, ...holding }
}

const specOf = (stage: RunStage, taskId: string) =>
  [...stage.of('dispatched'), ...stage.of('planned')].find((data) => data.taskId === taskId)?.task
const story = (all: { value?: Awaited<ReturnType<typeof pipeline>> }) =>
  [...(all.value ?? [])].map(([key, { stage, done, outcome }]) => [key, stage, done, outcome].join(' '))

describe('pipeline', () => {
  it('leads each item on by itself, makes a task from what came before, and gives the last receipts', async () => {
    const { stage, all } = await flowing(['a', 'b'])
    expect(stage.queued).toEqual(['p/a/fetch/1', 'p/b/fetch/1'])
    await stage.answer('p/b/fetch', { output: { text: 'B' } })
    expect(specOf(stage, 'p/b/read')?.input).toEqual({ text: 'B' })
    const events = stage.commits.at(-1)?.events.map(({ type }) => type)
    expect(events).toEqual(expect.arrayContaining(['task-accepted', 'dispatched', 'round-closed']))
    await stage.answer('p/b/read', { output: 'b done' })
    await stage.answer('p/a/fetch')
    await stage.answer('p/a/read')
    expect(story(all)).toEqual(['a read true accepted', 'b read true accepted'])
    expect(all.value?.get('b')).toMatchObject({ taskId: 'p/b/read', receipt: { output: 'b done' } })
  })

  it('ends an item whose stage is given up or cancelled from outside, and no other', async () => {
    const { stage, all, run } = await flowing(['a', 'b', 'c'])
    await stage.answer('p/a/fetch', { status: 'failed', output: null, error: { message: 'no', retryable: false } })
    await stage.answer('p/b/fetch')
    await stage.clock.run(run.cancel('p/b/read', 'not needed'))
    await stage.answer('p/c/fetch')
    await stage.answer('p/c/read')
    expect(story(all)).toEqual(['a fetch false abandoned', 'b read false cancelled', 'c read true accepted'])
    expect(all.value?.get('b')?.reason).toBe('not needed')
  })

  it('goes on behind a stage that somebody else accepts, in this life or before it', async () => {
    const first = await flowing(['a', 'b'], { judge: () => 'leave' })
    const { stage } = first
    await stage.answer('p/a/fetch', { output: 'A' })
    await stage.answer('p/b/fetch', { output: 'B' })
    await stage.clock.run(first.run.accept('p/a/fetch'))
    await stage.clock.settle()
    expect(specOf(stage, 'p/a/read')?.input).toBe('A')
    await stage.clock.run(first.run.close())
    const between = await stage.open()
    await stage.clock.run(between.run.accept('p/b/fetch'))
    expect(specOf(stage, 'p/b/read')).toBeUndefined()
    const all = follow(pipeline(between.run, ['a', 'b'], stages, { name: 'p' }))
    await stage.clock.settle()
    expect(specOf(stage, 'p/b/read')?.input).toBe('B')
    await stage.answer('p/a/read')
    await stage.answer('p/b/read')
    expect(story(all)).toEqual(['a read true accepted', 'b read true accepted'])
  })

  it('goes on once behind a stage that somebody else accepts while it is about to, or while its judge thinks', async () => {
    const thoughts: (() => void)[] = []
    const judge = () => new Promise<'accept'>((resolve) => thoughts.push(() => resolve('accept')))
    const { stage, all, run } = await flowing(['a', 'b'], { judge })
    await stage.answer('p/a/fetch')
    await stage.answer('p/b/fetch')
    await stage.clock.run(run.accept('p/b/fetch'))
    // Decided, but not durable yet: nobody can know when the same is asked for once more.
    const append = stage.hold('log.append')
    const accepted = follow(run.accept('p/a/fetch'))
    await stage.clock.settle()
    for (const think of thoughts.splice(0)) think()
    await stage.clock.settle()
    expect([append.held, accepted.settled]).toEqual([1, false])
    append.release()
    await stage.clock.runUntil(() => run.status.counts.out === 2)
    for (const taskId of ['p/a/read', 'p/b/read']) await stage.answer(taskId)
    for (const think of thoughts.splice(0)) think()
    await stage.clock.settle()
    expect(story(all)).toEqual(['a read true accepted', 'b read true accepted'])
    expect(stage.of('dispatched')).toHaveLength(4)
  })

  it.each(['goes on by itself', 'is accepted by somebody else'])(
    'finds what came back or was settled before its turn, when a stage that was put in between %s',
    async (how) => {
      const { stage, all, run } = await flowing(['a', 'b', 'c'])
      for (const item of ['a', 'b', 'c']) await stage.answer(`p/${item}/fetch`)
      await stage.answer('p/a/read', { output: 'a done' })
      await stage.clock.run(run.cancel('p/b/read', 'not needed'))
      await stage.clock.run(run.close())
      await stage.answer('p/c/read')
      expect(all.error).toMatchObject({ code: 'CLOSED' })
      const [fetch, read] = stages as [Stage<string>, Stage<string>]
      const clean: Stage<string> = { name: 'clean', task: ({ taskId }) => request(taskId) }
      const { run: later } = await stage.open()
      // Something else that is out keeps the results of the run coming.
      await stage.clock.run(later.dispatch(request('other')))
      const judge = ({ taskId }: { taskId: string }) =>
        how !== 'goes on by itself' && taskId.endsWith('clean') ? 'leave' : 'accept'
      const again = follow(pipeline(later, ['a', 'b', 'c'], [fetch, clean, read], { name: 'p', judge }))
      await stage.clock.settle()
      for (const item of ['a', 'b', 'c']) {
        await stage.answer(`p/${item}/clean`)
        if (how !== 'goes on by itself') await stage.clock.run(later.accept(`p/${item}/clean`))
      }
      await stage.clock.settle()
      expect(story(again)).toEqual(['a read true accepted', 'b read false cancelled', 'c read true accepted'])
      expect(again.value?.get('a')?.receipt).toMatchObject({ output: 'a done' })
    },
  )

  it('shares commits between items whose results come together', async () => {
    const items = Array.from({ length: 200 }, (_, n) => `i${n}`)
    const { stage, all, run } = await flowing(items)
    const before = stage.commits.length
    for (const [n, name] of ['fetch', 'read'].entries()) {
      const bodies = items.map((item) => stage.receipt(stage.offer(`p/${item}/${name}`)))
      const messages = bodies.map((body, i) => ({ sender: `worker-${n}`, seq: i + 1, kind: 'receipt' as const, body }))
      await stage.clock.run(stage.outside.adapter.inbox.send(run.id, messages))
      await stage.clock.settle()
    }
    expect(all.value?.size).toBe(200)
    expect(stage.commits.length - before).toBeLessThan(30)
  })

  it('shares commits between items whose tasks are so large that not all of them fit into one', async () => {
    const items = Array.from({ length: 100 }, (_, n) => `i${n}`)
    const { stage, all, run } = await flowing(items)
    const bodies = items.map((item) =>
      stage.receipt(stage.offer(`p/${item}/fetch`), { output: `${item} ${'x'.repeat(20_000)}` }),
    )
    const messages = bodies.map((body, i) => ({ sender: 'worker-1', seq: i + 1, kind: 'receipt' as const, body }))
    const before = stage.of('round-closed').length
    await stage.clock.run(stage.outside.adapter.inbox.send(run.id, messages))
    await stage.clock.runUntil(() => run.status.counts.accepted === items.length)
    expect([all.settled, run.status.counts.tasks]).toEqual([false, 2 * items.length])
    expect(stage.of('round-closed').length - before).toBeLessThan(20)
  })

  it('of no items is done at once; keys, names and ids that could not be found again are refused at once', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    expect(await stage.clock.run(pipeline(run, [], stages))).toEqual(new Map())
    const [first] = stages as [Stage<string>]
    const refused: (() => Promise<unknown>)[] = [
      () => pipeline(run, ['a', 'a'], stages),
      () => pipeline(run, [1], [{ name: 'x', task: ({ taskId }) => request(taskId) }]),
      () => pipeline(run, ['a'], []),
      () => pipeline(run, ['a'], [first, first]),
      () => pipeline(run, ['a'], [{ ...first, name: 'a/b' }]),
      () => pipeline(run, ['a'], stages, { name: '' }),
      () => pipeline(run, ['a'], [{ name: 'x', task: () => request('other') }]),
    ]
    for (const one of refused) await expect(stage.clock.run(one())).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(run.status.counts.tasks).toBe(0)
  })

  it('says SPAWN_REFUSED when a limit keeps a stage out: what came before is accepted', async () => {
    const { stage, all, run } = await flowing(['a'], {}, { tasksMax: 1 })
    await stage.answer('p/a/fetch')
    expect(all.error).toMatchObject({ code: 'SPAWN_REFUSED', details: { refused: [{ taskId: 'p/a/read' }] } })
    expect(run.status.counts.accepted).toBe(1)
    await expect(stage.clock.run(pipeline(run, ['a'], stages, { name: 'p' }))).rejects.toMatchObject({
      code: 'SPAWN_REFUSED',
    })
  })

  it('says what a stage throws, or that its task is taken by another piece of work', async () => {
    const { stage, all, run } = await flowing(['a'])
    await stage.clock.run(run.dispatch(request('p/a/read', { input: 'something else' })))
    await stage.answer('p/a/fetch')
    expect(all.error).toMatchObject({ code: 'TASK_CONFLICT' })
    expect(run.status.counts).toMatchObject({ received: 1, accepted: 0 })
    const throwing = pipeline(run, ['a'], [stages[0] as Stage<string>, { name: 'read', task: () => fail() }], {
      name: 'p',
    })
    await expect(stage.clock.run(throwing)).rejects.toThrow('no idea')
  })
})

function fail(): never {
  throw new Error('no idea')
}
