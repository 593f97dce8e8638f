import { describe, expect, it } from 'vitest'
import type { RunView } from '../src/flow/run-view.js'
import type { RoundCommand } from '../src/protocol/commands.js'
import { busyRun } from './busy-run.js'
import { follow, request } from './run-stage.js'

const dispatch = (...ids: string[]): RoundCommand => ({ type: 'dispatch', tasks: ids.map((id) => request(id)) })

describe('the callbacks of a round', () => {
  it.each(['recover', 'decide'] as const)('cannot change what they are shown: %s', async (part) => {
    const { stage, run } = await busyRun()
    const before = await stage.clock.run(run.view())
    const attempts = [
      (view: RunView) => Object.assign(view, { status: 'complete' }),
      (view: RunView) => (view.received as unknown[]).pop(),
      (view: RunView) => Object.assign(view.received[0]?.output as object, { lines: 4 }),
      (view: RunView) => Object.assign(view.received[0]?.receipt.worker as object, { id: 'me' }),
      (view: RunView) => Object.assign(view.out[0]?.input as object, { path: '/etc' }),
      (view: RunView) => Object.assign(view.counts, { out: 0 }),
      (view: RunView) => Object.assign(view.criteria[0] as object, { met: {} }),
    ]
    for (const attempt of attempts) {
      const meddle = (view: RunView) => {
        attempt(view)
        return []
      }
      const round = run.round(part === 'recover' ? { recover: meddle, decide: () => [] } : { decide: meddle })
      await expect(stage.clock.run(round)).rejects.toThrow(TypeError)
    }
    expect(await stage.clock.run(run.view())).toEqual(before)
  })

  it('cannot act on the run themselves: a method that they call is refused, and the round with it', async () => {
    const { stage, run } = await busyRun()
    const { length } = stage.commits
    const calls = [
      () => run.accept('t1'),
      () => run.dispatch(request('t9')),
      () => run.execute({ type: 'note', text: 'x' }),
      () => run.round({ decide: () => [] }),
    ]
    for (const call of calls) {
      const round = run.round({ decide: () => call().then(() => []) })
      await expect(stage.clock.run(round)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringContaining('Return it as a command'),
      })
    }
    expect(stage.commits).toHaveLength(length)
    expect(await stage.clock.run(run.round({ decide: () => [{ type: 'accept', taskId: 't1' }] }))).toMatchObject({
      settled: ['t1'],
    })
  })

  it('that throw leave no trace, and the run goes on', async () => {
    const { stage, run } = await busyRun()
    const { length } = stage.commits
    const lost = () => {
      throw new Error('the model is away')
    }
    await expect(stage.clock.run(run.round({ decide: lost }))).rejects.toThrow('the model is away')
    await expect(stage.clock.run(run.round({ recover: lost, decide: () => [] }))).rejects.toThrow('the model is away')
    expect(stage.commits).toHaveLength(length)
    await stage.clock.run(run.accept('t1'))
  })

  it.each([[undefined], [null], ['none'], [[null]], [[{}]], [{ commands: null, summary: 'x' }]])(
    'that give back %o instead of commands are told what is wrong with it, and nothing is recorded',
    async (answer) => {
      const { stage, run } = await busyRun()
      const { length } = stage.commits
      await expect(stage.clock.run(run.round({ decide: () => answer as never }))).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringContaining('is invalid at decide'),
      })
      expect(stage.commits).toHaveLength(length)
    },
  )

  it('are shown the same, whether the run was followed or read from its log', async () => {
    const { stage, run } = await busyRun()
    const seen: RunView[] = []
    const look = {
      decide: (view: RunView) => {
        seen.push(view)
        return []
      },
    }
    await stage.clock.run(run.round(look))
    await stage.clock.run(run.close())
    const again = await stage.open()
    await stage.clock.run(again.run.round(look))
    const [before, after] = seen.map(({ version, epoch, ...view }) => view)
    expect(after).toEqual(before)
  })
})

describe('a round that is killed', () => {
  it('at any call leaves all of its commit or nothing, and nothing was reported that is not there', async () => {
    const kinds = new Set<string>()
    for (let at = 1, killed = true; killed; at++) {
      const { stage, run } = await busyRun()
      const before = stage.events.length
      let calls = 0
      stage.intercept(() => (++calls === at ? 'kill' : 'go'))
      const round = follow(
        run.round({
          recover: () => [{ type: 'abandon', taskId: 't2', reason: 'no disk' }],
          decide: () => [{ type: 'accept', taskId: 't1' }, dispatch('t5')],
        }),
      )
      await stage.clock.settle()
      killed = calls >= at
      if (killed && round.settled) expect(round.value).toMatchObject({ progress: true })
      const kept = stage.events.slice(before).map(({ type }) => type)
      expect(round.settled && kept.length === 0).toBe(false)
      kinds.add(kept.join(' '))
      if (!killed) break
      const next = await stage.open()
      expect(next.run.status.counts).toMatchObject({
        abandoned: kept.length > 0 ? 1 : 0,
        accepted: kept.length > 0 ? 1 : 0,
      })
      if (kept.length > 0) expect(stage.queued).toContain('t5/1')
    }
    expect([...kinds]).toEqual(['', 'task-abandoned task-accepted mode-changed dispatched round-closed mode-changed'])
  })
})
