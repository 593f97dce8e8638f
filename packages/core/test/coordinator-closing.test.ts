import { describe, expect, it } from 'vitest'
import type { RoundCommand } from '../src/protocol/commands.js'
import { follow, RunStage, request } from './run-stage.js'
import { gate } from './worker-fleet.js'

const dispatch = (...ids: string[]): RoundCommand => ({ type: 'dispatch', tasks: ids.map((id) => request(id)) })
const types = (stage: RunStage) => stage.events.map(({ type }) => type)

describe('a run that is closed in the middle of a round', () => {
  it('has nothing of a round whose callback was still deciding, and says CLOSED to whoever asked for it', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const thinking = gate()
    const round = follow(
      run.round({
        decide: async () => {
          await thinking.promise
          return [dispatch('t1')]
        },
      }),
    )
    await stage.clock.settle()
    const before = types(stage)
    await stage.clock.run(run.close())
    thinking.open()
    await stage.clock.runUntil(() => round.settled)
    expect(round.error).toMatchObject({ code: 'CLOSED' })
    expect(types(stage)).toEqual([...before, 'lock-released'])
    expect([stage.queued, stage.backend.leases.held.size]).toEqual([[], 0])
  })

  it('says CLOSED, not that the lock is gone, when it was recovering', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { attemptsMax: 1 } })
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.answer('t1', { status: 'failed', output: null, error: { message: 'no disk' } })
    const thinking = gate()
    const round = follow(
      run.round({
        recover: async () => {
          await thinking.promise
          return [{ type: 'abandon', taskId: 't1', reason: 'no disk' }]
        },
        decide: () => [],
      }),
    )
    await stage.clock.settle()
    const append = stage.hold('log.append')
    const closing = follow(run.close())
    await stage.clock.settle()
    expect(append.held).toBe(1)
    thinking.open()
    await stage.clock.settle()
    append.release()
    await stage.clock.runUntil(() => round.settled && closing.settled)
    expect(round.error).toMatchObject({ code: 'CLOSED' })
    expect(stage.of('task-abandoned')).toEqual([])
  })

  it('is let go although the callback never ends', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const round = follow(run.round({ decide: () => new Promise(() => {}) }))
    await stage.clock.settle()
    await stage.clock.run(run.close())
    expect(round.settled).toBe(false)
    expect(types(stage).at(-1)).toBe('lock-released')
    expect(stage.backend.leases.held.size).toBe(0)
  })

  it('has all of a round whose commit was on its way, and reports it', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const append = stage.hold('log.append')
    const round = follow(run.round({ decide: () => [dispatch('t1', 't2'), { type: 'note', text: 'both' }] }))
    await stage.clock.settle()
    expect(append.held).toBe(1)
    const closing = follow(run.close())
    await stage.clock.settle()
    append.release()
    await stage.clock.runUntil(() => round.settled && closing.settled)
    expect(round.value).toMatchObject({ progress: true, report: { dispatched: ['t1', 't2'] } })
    const [commit] = stage.commits.filter(({ events }) => events.some(({ type }) => type === 'round-closed'))
    expect(commit?.events.map(({ type }) => type)).toEqual([
      ...['dispatched', 'dispatched', 'note-added', 'round-closed'],
      'mode-changed',
    ])
    expect(types(stage).at(-1)).toBe('lock-released')
    expect([closing.error, stage.queued]).toEqual([undefined, ['t1/1', 't2/1']])
  })

  it('has none of a round whose commit the log refused until closing gave up, and the next coordinator goes on', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ appendPatienceMs: 2_000 })
    stage.spoil('log.append', 'fail', { times: 1_000 })
    const round = follow(run.round({ decide: () => [dispatch('t1')] }))
    await stage.clock.settle()
    const closing = follow(run.close())
    await stage.clock.runUntil(() => round.settled && closing.settled)
    expect(round.error).toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    expect([closing.error, stage.of('dispatched'), stage.backend.leases.held.size]).toEqual([undefined, [], 0])
    stage.backend.intercept = () => 'go'
    const next = await stage.open()
    expect(await stage.clock.run(next.run.round({ decide: () => [dispatch('t1')] }))).toMatchObject({ round: 1 })
  })
})

describe('a run that is closed while it is opened', () => {
  it.each(['log.read', 'leases.acquire', 'log.append', 'inbox.receive'])(
    'is given up in bounded time when %s does not answer, and holds nothing afterwards',
    async (method) => {
      const stage = new RunStage()
      const first = await stage.open()
      await stage.clock.run(first.run.dispatch(request('t1')))
      await stage.close(first)
      const held = stage.hold(method)
      const ending = new AbortController()
      const opening = follow(stage.opening({ signal: ending.signal }))
      await stage.clock.settle()
      expect(held.held).toBeGreaterThan(0)
      ending.abort()
      const abortedAt = stage.clock.now()
      await stage.clock.runUntil(() => opening.settled)
      expect(opening.error).toMatchObject({ code: 'ABORTED' })
      expect(stage.clock.now() - abortedAt).toBeLessThanOrEqual(20_000)
      held.release()
      await stage.clock.advance(60_000)
      expect(stage.backend.leases.held.size).toBe(0)
      const { run } = await stage.open()
      expect([run.status.counts.out, stage.queued]).toEqual([1, ['t1/1']])
    },
  )
})

/** A state file in memory. Its writes wait for the first look at it, and while the test holds them. */
function heldFile() {
  let text: string | null = null
  const looked = gate()
  let held = looked.promise
  const store = {
    path: 'state.md',
    read: async () => {
      looked.open()
      return text
    },
    replace: async (next: string) => {
      await held
      text = next
      return true as never
    },
    keepAside: async () => 'state.md.aside',
  }
  return {
    store,
    hold: () => {
      const { promise, open } = gate()
      held = promise
      return open
    },
  }
}

describe('a run that is closed while it is being completed', () => {
  it('is complete if that was decided, and let go', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const append = stage.hold('log.append')
    const completing = follow(run.complete('done'))
    await stage.clock.settle()
    const closing = follow(run.close())
    await stage.clock.settle()
    append.release()
    await stage.clock.runUntil(() => completing.settled && closing.settled)
    expect(completing.value).toMatchObject({ status: { status: 'complete' } })
    expect(types(stage).at(-1)).toBe('run-completed')
    expect([closing.error, stage.backend.leases.held.size]).toEqual([undefined, 0])
  })

  it('stays open if its state file was still being written: the caller hears CLOSED', async () => {
    const stage = new RunStage()
    const file = heldFile()
    const { run } = await stage.open({ stateFile: file.store })
    await stage.clock.advance(1_000)
    const release = file.hold()
    await stage.clock.run(run.note('so far'))
    const completing = follow(run.complete('done'))
    await stage.clock.settle()
    const closing = follow(run.close())
    await stage.clock.settle()
    release()
    await stage.clock.runUntil(() => completing.settled && closing.settled)
    expect(completing.error).toMatchObject({ code: 'CLOSED' })
    expect([types(stage).includes('run-completed'), types(stage).at(-1)]).toEqual([false, 'lock-released'])
    expect(await stage.open()).toMatchObject({ run: { status: { status: 'running' } } })
  })
})
