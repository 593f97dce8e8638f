import { describe, expect, it } from 'vitest'
import type { Run } from '../src/coordinator/run.js'
import { sendCommand } from '../src/coordinator/send-command.js'
import { stateFileBody } from '../src/flow/state-file-text.js'
import { limits } from '../src/protocol/limits.js'
import { dispatch, given, task } from './given-run.js'
import { follow, type Holding, RunStage, request, runId } from './run-stage.js'

const criteria = ['every file is read', 'the sums agree']
const evidence = [
  { criterion: 1, evidence: 'three files', tasks: ['t1'] },
  { criterion: 'the sums agree', evidence: 'added up twice' },
]
const complete = { type: 'complete' as const, summary: 'all read', evidence }

/** A run whose only task came back. */
async function nearlyDone(successCriteria = criteria): Promise<{ stage: RunStage; first: Holding }> {
  const stage = new RunStage()
  const first = await stage.open({ successCriteria })
  await stage.clock.run(first.run.dispatch(request('t1')))
  await stage.answer('t1')
  return { stage, first }
}

/** The same, with the task accepted. */
async function done(successCriteria = criteria) {
  const { stage, first } = await nearlyDone(successCriteria)
  await stage.clock.run(first.run.accept('t1'))
  return { stage, first }
}

const ways: [string, (stage: RunStage, run: Run) => Promise<unknown>][] = [
  ['complete', (stage, run) => stage.clock.run(run.complete('all read', { evidence }))],
  ['execute', (stage, run) => stage.clock.run(run.execute(complete))],
  ['execute with a token', (stage, run) => stage.clock.run(run.execute(complete, { token: run.contextToken() }))],
  ['a round', (stage, run) => stage.clock.run(run.round({ decide: () => [complete] }))],
  ['a command from another process', (stage) => stage.send('command', JSON.stringify(complete))],
]

describe('a run is completed with its evidence', () => {
  it.each(ways)('by %s: the same evidence, the same checklist, the same end', async (_, way) => {
    const { stage, first } = await done()
    await way(stage, first.run)
    expect(stage.of('criterion-met')).toEqual([
      { criterion: 1, evidence: 'three files', tasks: ['t1'] },
      { criterion: 2, evidence: 'added up twice', tasks: [] },
    ])
    const [completed] = stage.of('run-completed')
    expect(completed).toMatchObject({ summary: 'all read' })
    expect(completed?.checklist?.map(({ item, pass }) => [item, pass])).toEqual([
      ['criterion 1: every file is read', true],
      ['criterion 2: the sums agree', true],
      ['every task is settled', true],
      ['the state file equals the log', true],
    ])
    expect(first.run.status).toMatchObject({ status: 'complete', mode: 'closed', reason: 'all read' })
    expect(stage.events.at(-1)?.type).toBe('run-completed')
  })

  it('and answers a sender who brings none with what is missing, on record', async () => {
    const { stage } = await done()
    const { adapter, runtime } = stage.process()
    const sent = await stage.clock.run(
      sendCommand({ adapter, runtime, runId, command: { type: 'complete', summary: 'done' } }),
    )
    expect(await stage.clock.run(sent.answer())).toMatchObject({
      ok: false,
      events: [{ type: 'command-refused', data: { command: 'complete', code: 'EVIDENCE_MISSING' } }],
    })
  })

  it('and tells whoever completes it again what was checked, also after opening it once more', async () => {
    const { stage, first } = await done()
    const report = await stage.clock.run(first.run.complete('all read', { evidence }))
    const again = await stage.open()
    expect(await stage.clock.run(again.run.complete('something else'))).toEqual(report)
    expect(report.checklist).toEqual(stage.of('run-completed')[0]?.checklist)
  })
})

describe('a coordinator that is killed while it completes a run', () => {
  it('leaves it complete or untouched, wherever that was', async () => {
    const ends = new Set<string>()
    for (let at = 1, killed = true; killed; at++) {
      const { stage, first } = await done()
      const before = stage.events.length
      let calls = 0
      stage.intercept(() => (++calls === at ? 'kill' : 'go'))
      const completing = follow(first.run.complete('all read', { evidence }))
      await stage.clock.settle()
      killed = calls >= at
      const types = stage.events.slice(before).map(({ type }) => type)
      ends.add(types.join(' '))
      expect(completing.settled && !types.includes('run-completed')).toBe(false)
      if (!killed) break
      const next = await stage.open()
      const report = await stage.clock.run(next.run.complete('all read', { evidence }))
      expect(report).toMatchObject({ summary: 'all read', status: { status: 'complete' } })
      expect(stage.of('criterion-met')).toHaveLength(2)
      expect(stage.of('run-completed')).toHaveLength(1)
    }
    expect([...ends]).toEqual(['', 'criterion-met criterion-met run-completed'])
  })

  it('between evidence that fills a commit and the completion has kept the evidence, and finishes the same way', async () => {
    const many = Array.from({ length: limits.criteriaMax }, (_, i) => `criterion number ${i}`)
    const long = many.map((criterion) => ({ criterion, evidence: 'x'.repeat(limits.textMax) }))
    const { stage, first } = await done(many)
    stage.spoil('log.append', 'kill', { phase: 'after' })
    const completing = follow(first.run.complete('all read', { evidence: long }))
    await stage.clock.settle()
    expect(completing.settled).toBe(false)
    const kept = stage.of('criterion-met').length
    expect([kept > 0, stage.of('run-completed')]).toEqual([true, []])

    const next = await stage.open()
    expect(next.run.status.status).toBe('running')
    await expect(stage.clock.run(next.run.complete('all read'))).rejects.toMatchObject({ code: 'EVIDENCE_MISSING' })
    await stage.clock.run(next.run.complete('all read', { evidence: long }))
    expect(stage.of('criterion-met').map(({ criterion }) => criterion)).toEqual(many.map((_, i) => i + 1))
    expect(next.run.status.status).toBe('complete')
  })

  it('loses no command of another process that completes it: it is decided once, by the next', async () => {
    const { stage } = await done()
    stage.spoil('inbox.ack', 'kill')
    await stage.send('command', JSON.stringify(complete))
    expect(stage.of('run-completed')).toHaveLength(1)
    const again = await stage.open()
    expect(again.run.status.status).toBe('complete')
    expect(stage.of('run-completed')).toHaveLength(1)
  })
})

describe('who answers for a task, and what must come back', () => {
  const owned = { owner: 'the legal team', returns: 'a signed contract' }

  it('stand in the log before a worker can see the task, and in what is told of the run, also after a crash', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch([request('t1', owned), request('t2', { lane: 'gpu' })]))
    expect(stage.of('dispatched')[0]).toMatchObject({ taskId: 't1', task: owned })
    first.adapter.kill()
    const { run } = await stage.open()
    const view = await stage.clock.run(run.view())
    expect(view.out.map(({ taskId, owner }) => [taskId, owner])).toEqual([
      ['t1', 'the legal team'],
      ['t2', 'workers of lane gpu'],
    ])
    const { text, briefing } = await stage.clock.run(run.briefing())
    expect(briefing.out.items.map(({ owner }) => owner)).toEqual(['the legal team', 'workers of lane gpu'])
    expect(text).toContain('the legal team')
  })

  it('go along when a worker asks for more work, and are told of what came back and what stopped', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { attemptsMax: 1 } })
    await stage.clock.run(run.dispatch([request('t1', owned), request('t2', owned)]))
    await stage.answer('t1', { spawnRequests: [request('t1.1', { owner: 'the notary' })] as never })
    await stage.answer('t2', { status: 'failed', output: null, error: { message: 'nobody signs' } })
    const view = await stage.clock.run(run.view())
    expect([view.received[0]?.owner, view.stopped[0]?.owner]).toEqual(['the legal team', 'the legal team'])
    await stage.clock.run(run.dispatch(view.received[0]?.spawnRequests ?? []))
    expect(stage.of('dispatched').at(-1)).toMatchObject({ taskId: 't1.1', task: { owner: 'the notary', parent: 't1' } })
  })

  it('are said in the state file, for people', () => {
    const { state } = given({}, dispatch(task('t1', owned), 't2'))
    const owners = stateFileBody(state).split('## Active owners')[1]?.split('##')[0]
    expect(owners).toMatch(/the legal team: .*t1.* a signed contract/)
    expect(owners).toMatch(/workers of lane default: .*t2.* a receipt that passes every gate/)
  })
})
