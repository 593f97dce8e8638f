import { describe, expect, it } from 'vitest'
import { follow, type Holding, RunStage, request, requests } from './run-stage.js'

/** A coordinator that was paused while another one took its run over. */
async function zombie(): Promise<{ stage: RunStage; first: Holding; second: Holding }> {
  const stage = new RunStage()
  const first = await stage.open()
  await stage.clock.run(first.run.dispatch(requests(2)))
  first.runtime.pause()
  const second = await stage.open({ takeover: 'now' })
  first.runtime.resume()
  return { stage, first, second }
}

describe('a coordinator whose run was taken over', () => {
  it("cannot append any more: its next command is refused with LOCK_LOST and the log stays the other one's", async () => {
    const { stage, first, second } = await zombie()
    const { length } = stage.commits
    const note = follow(first.run.note('I am still here'))
    const dispatched = follow(first.run.dispatch(request('ghost')))
    await stage.clock.settle()
    expect(note.error).toMatchObject({ code: 'LOCK_LOST' })
    expect(dispatched.error).toMatchObject({ code: 'LOCK_LOST' })
    expect(stage.commits).toHaveLength(length)
    expect(stage.queued).toEqual(['t1/1', 't2/1'])
    await stage.clock.run(second.run.note('the run goes on'))
    expect(stage.of('note-added')).toEqual([{ text: 'the run goes on' }])
  })

  it('stops for good: results reject, lock-lost and stopped are emitted once, every later call says LOCK_LOST', async () => {
    const { stage, first } = await zombie()
    const emitted: string[] = []
    first.run.on('lock-lost', (error) => emitted.push(`lock-lost ${error.code}`))
    first.run.on('stopped', (error) => emitted.push(`stopped ${error.code}`))
    const results = follow(first.run.results().next())
    const note = follow(first.run.note('x'))
    await stage.clock.runUntil(() => note.settled)
    expect(results.error).toMatchObject({ code: 'LOCK_LOST' })
    expect(first.run.signal.reason).toMatchObject({ code: 'LOCK_LOST' })
    expect(emitted).toEqual(['lock-lost LOCK_LOST', 'stopped LOCK_LOST'])
    const { length } = stage.calls
    await expect(stage.clock.run(first.run.note('y'))).rejects.toMatchObject({ code: 'LOCK_LOST' })
    await expect(stage.clock.run(first.run.results().next())).rejects.toMatchObject({ code: 'LOCK_LOST' })
    expect(stage.calls.slice(length)).not.toContain('log.append')
    await stage.close(first)
  })

  it('does not take the lease of its successor away', async () => {
    const { stage, first } = await zombie()
    await stage.clock.run(first.run.note('x').catch(() => {}))
    await stage.close(first)
    await stage.clock.advance(30_000)
    await expect(stage.open()).rejects.toMatchObject({ code: 'RUN_HELD' })
  })

  it('never rebases: what it had decided on its own state is gone with it', async () => {
    const { stage, first, second } = await zombie()
    const commands = ['a', 'b', 'c'].map((text) => follow(first.run.note(text)))
    await stage.clock.settle()
    expect(commands.map(({ error }) => (error as { code: string }).code)).toEqual([
      'LOCK_LOST',
      'LOCK_LOST',
      'LOCK_LOST',
    ])
    await stage.clock.run(second.run.note('d'))
    expect(stage.of('note-added')).toEqual([{ text: 'd' }])
    expect(first.run.status.version).toBeLessThan(second.run.status.version)
  })

  it('finds out by its lease when it has nothing to append', async () => {
    const { stage, first } = await zombie()
    await stage.clock.advance(5_000)
    expect(first.run.signal.reason).toMatchObject({ code: 'LOCK_LOST' })
  })

  it('goes on when it lost its lease but nobody appended: the log is the fence', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    stage.backend.leases.held.clear()
    await stage.clock.advance(30_000)
    await stage.clock.run(run.note('still the only one'))
    expect(run.signal.aborted).toBe(false)
  })

  it('loses an append that was on its way while it was paused', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    const held = stage.hold('log.append')
    const report = follow(first.run.dispatch(request('t1')))
    await stage.clock.settle()
    expect(held.held).toBe(1)
    first.runtime.pause()
    held.release()
    await stage.open({ takeover: 'now' })
    first.runtime.resume()
    await stage.clock.runUntil(() => report.settled)
    expect(report.error).toMatchObject({ code: 'LOCK_LOST' })
    expect(stage.queued).toEqual([])
  })
})
