import { describe, expect, it } from 'vitest'
import { readSummary, summaryOf } from '../src/flow/run-summary.js'
import { RunStage, request, requests, runId } from './run-stage.js'
import { replay } from './snapshot-of.js'

const keptOf = (stage: RunStage) => stage.backend.summaries.get(runId)
const headOf = (stage: RunStage) => stage.backend.recordsOf(runId).at(-1)?.hash
const isOfHead = (stage: RunStage): boolean => keptOf(stage)?.hash === headOf(stage)
const puts = (stage: RunStage): number => stage.calls.filter((call) => call === 'summaries.put').length

/** The summary that is kept says what the log says up to the commit that it is of. */
function expectTrue(stage: RunStage): void {
  const records = stage.backend.recordsOf(runId)
  const { hash, text } = keptOf(stage) ?? { hash: '', text: '' }
  const end = records.findIndex((record) => record.hash === hash) + 1
  expect(end).toBeGreaterThan(0)
  const { state } = replay(records.slice(0, end).map((record) => record.text))
  expect(readSummary(text, runId)).toEqual(summaryOf(state))
}

describe('a coordinator beside whose logs summaries are kept', () => {
  it('puts one when it has rested for 2 s, and one when it is closed', async () => {
    const stage = new RunStage()
    const held = await stage.open()
    await stage.clock.advance(1_900)
    expect(puts(stage)).toBe(0)
    await stage.clock.advance(200)
    expect([puts(stage), isOfHead(stage)]).toEqual([1, true])
    await stage.clock.advance(60_000)
    expect(puts(stage)).toBe(1)
    await stage.clock.run(held.run.dispatch(requests(3)))
    expect(isOfHead(stage)).toBe(false)
    await stage.clock.advance(2_100)
    expect([puts(stage), isOfHead(stage)]).toEqual([2, true])
    expectTrue(stage)
    await stage.close(held)
    expect([puts(stage), isOfHead(stage)]).toEqual([3, true])
    expect(readSummary(keptOf(stage)?.text ?? '', runId)).toMatchObject({ holder: null, open: { out: 3 } })
    expectTrue(stage)
  })

  it('puts at most one every 2 s while it changes, each of what was durable', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const before = stage.clock.now()
    for (let n = 0; n < 100; n++) {
      await stage.clock.run(run.dispatch(request(`t${n}`)))
      await stage.clock.advance(100)
      if (puts(stage) > 0) expectTrue(stage)
    }
    const most = (stage.clock.now() - before) / 2_000
    expect(puts(stage)).toBeGreaterThan(2)
    expect(puts(stage)).toBeLessThanOrEqual(most)
  })

  it('leaves one that says how a run has ended', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.fail('enough'))
    await stage.clock.run(run.close())
    expect(isOfHead(stage)).toBe(true)
    expect(readSummary(keptOf(stage)?.text ?? '', runId)).toMatchObject({ status: 'failed', mode: 'closed' })
  })

  it('holds up no commit while a put is slow, and closes in spite of one that is never answered', async () => {
    const stage = new RunStage()
    const held = stage.hold('summaries.put')
    const first = await stage.open()
    await stage.clock.advance(2_100)
    expect(held.held).toBe(1)
    for (let n = 0; n < 20; n++) await stage.clock.run(first.run.note(`${n}`))
    await stage.close(first)
    expect(stage.of('note-added')).toHaveLength(20)
    expect(stage.events.at(-1)?.type).toBe('lock-released')
  })

  it('goes on when one cannot be put, tells it, and tries again ever more seldom', async () => {
    const stage = new RunStage()
    stage.spoil('summaries.put', 'fail', { times: 7 })
    const { run } = await stage.open()
    const failedAt: number[] = []
    run.on('transport-failed', (error) => {
      expect(error).toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
      failedAt.push(stage.clock.now())
    })
    await stage.clock.advance(200_000)
    const waits = failedAt.map((at, n) => at - (failedAt[n - 1] ?? at))
    expect(waits).toEqual([0, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
    expect(puts(stage)).toBe(0)
    await stage.clock.run(run.note('still at work'))
    await stage.clock.advance(60_000)
    expect([puts(stage), isOfHead(stage)]).toEqual([1, true])
  })

  it('puts none any more once another coordinator has taken the run', async () => {
    const stage = new RunStage()
    const zombie = await stage.open()
    const heir = await stage.open({ takeover: 'now' })
    await stage.clock.run(heir.run.note('mine now'))
    await stage.clock.advance(2_100)
    expectTrue(stage)
    const kept = keptOf(stage)
    await stage.clock.run(zombie.run.note('mine still').catch(() => {}))
    await stage.clock.run(zombie.run.close())
    await stage.clock.advance(10_000)
    expect(keptOf(stage)).toEqual(kept)
    expect(isOfHead(stage)).toBe(true)
  })

  it('is replaced like any other if it is killed at a put, before or behind it', async () => {
    for (const phase of ['before', 'after'] as const) {
      const stage = new RunStage()
      await stage.open()
      stage.spoil('summaries.put', 'kill', { phase })
      await stage.clock.advance(2_100)
      expect(isOfHead(stage)).toBe(phase === 'after')
      const heir = await stage.open()
      await stage.close(heir)
      expect(isOfHead(stage)).toBe(true)
      expectTrue(stage)
    }
  })
})
