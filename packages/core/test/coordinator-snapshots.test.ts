import { describe, expect, it } from 'vitest'
import { loadRun } from '../src/coordinator/load-run.js'
import type { CommitRecord } from '../src/log/commit-record.js'
import type { SnapshotStore } from '../src/ports/snapshot-store.js'
import { RepriseError } from '../src/protocol/errors.js'
import { RunStage, request, requests, runId } from './run-stage.js'
import { replay, snapshotProblem, stateText } from './snapshot-of.js'

const linesOf = (stage: RunStage) => stage.backend.recordsOf(runId).map(({ text }) => text)
const keptOf = (stage: RunStage) => stage.backend.snapshots.get(runId)
/** Of which commit the snapshot is that is kept now. */
const keptCommits = (stage: RunStage): number | null => {
  const [first] = keptOf(stage) ?? []
  return first === undefined ? null : (JSON.parse(first.split('\n')[0] ?? '') as { commits: number }).commits
}
const integrity = (run: { gates: readonly { gate: string; evidence: string }[] }) => run.gates[0]?.evidence

describe('a coordinator that keeps snapshots', () => {
  it('keeps one every so many events, each of what was durable, while it works', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ snapshotEveryEvents: 10 })
    const kept = new Set<number | null>()
    for (let round = 0; round < 20; round++) {
      await stage.clock.run(run.note(`note ${round}`))
      await stage.clock.run(run.dispatch(request(`t${round}`)))
      await stage.clock.settle()
      kept.add(keptCommits(stage))
      expect(snapshotProblem(keptOf(stage), linesOf(stage))).toBe(null)
    }
    expect(kept.size).toBeGreaterThan(4)
  })

  it('opens it again from there, and says so in the log', async () => {
    const stage = new RunStage()
    const first = await stage.open({ snapshotEveryEvents: 1 })
    await stage.clock.run(first.run.dispatch(requests(3)))
    await stage.close(first)
    expect(keptCommits(stage)).toBe(stage.commits.length)
    const { length } = stage.commits
    const { run } = await stage.open()
    expect(integrity(run)).toContain(`a snapshot stands for the first ${length}, the last of these and the 0 behind it`)
    expect(stage.of('resumed').at(-1)).toMatchObject({ corrections: [] })
    expect(stateText(replay(linesOf(stage)).state)).toBe(
      stateText((await stage.clock.run(loadRun(stage.outside.adapter.log, runId))).state),
    )
    expect(run.status.counts).toMatchObject({ tasks: 3 })
  })

  it('reads every commit when it is asked to', async () => {
    const stage = new RunStage()
    await stage.close(await stage.open({ snapshotEveryEvents: 1 }))
    const { length } = stage.commits
    const { run } = await stage.open({ replay: 'whole' })
    expect(integrity(run)).toContain(`${length} commits`)
    expect(integrity(run)).toContain('every commit was checked')
    expect(stage.calls).not.toContain('snapshots.load')
  })

  it('reads every commit when the snapshot is in doubt, and records that as a correction', async () => {
    const stage = new RunStage()
    await stage.close(await stage.open({ snapshotEveryEvents: 1 }))
    stage.backend.snapshots.set(runId, [(keptOf(stage) ?? []).join('').replace('count every line', 'count every lime')])
    const { run } = await stage.open()
    expect(integrity(run)).toContain('every commit was checked; a snapshot was left aside: its bytes')
    expect(stage.of('resumed').at(-1)?.corrections).toEqual([
      'snapshot: left aside, since its bytes do not have the digest that it carries; the whole log was read',
    ])
  })

  it('keeps none of a short run, and none when it is told so', async () => {
    const stage = new RunStage()
    await stage.close(await stage.open())
    expect(stage.calls.filter((call) => call.startsWith('snapshots.save'))).toEqual([])
    const { run, ...rest } = await stage.open({ snapshotEveryEvents: 0 })
    await stage.clock.run(run.dispatch(requests(3000)))
    await stage.close({ run, ...rest })
    expect(keptOf(stage)).toBe(undefined)
  })

  it('keeps one of a run that has ended, from which it is looked at', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ snapshotEveryEvents: 100 })
    for (let n = 0; n < 60; n++) await stage.clock.run(run.note(`${n}`))
    await stage.clock.run(run.dispatch(requests(60)))
    await stage.clock.run(run.fail('enough'))
    await stage.clock.run(run.close())
    expect(snapshotProblem(keptOf(stage), linesOf(stage))).toBe(null)
    const again = await stage.open()
    expect(integrity(again.run)).toContain(`a snapshot stands for the first ${keptCommits(stage)}`)
    expect(again.run.status.status).toBe('failed')
  })

  it('holds up no commit while the store is slow, and closes in spite of one that does not answer', async () => {
    const stage = new RunStage()
    const held = stage.hold('snapshots.save')
    const first = await stage.open({ snapshotEveryEvents: 5 })
    for (let n = 0; n < 20; n++) await stage.clock.run(first.run.note(`${n}`))
    expect(held.held).toBe(1)
    await stage.close(first)
    expect(stage.of('note-added')).toHaveLength(20)
    expect(stage.events.at(-1)?.type).toBe('lock-released')
  })

  it('tells that it could not keep one, goes on, and tries again later', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ snapshotEveryEvents: 5 })
    const failures: unknown[] = []
    run.on('transport-failed', (error) => failures.push(error))
    stage.spoil('snapshots.save', 'fail')
    while (failures.length === 0) await stage.clock.run(run.note('once more'))
    expect(failures).toMatchObject([{ code: 'ADAPTER_UNAVAILABLE' }])
    expect(keptOf(stage)).toBe(undefined)
    for (let n = 0; n < 6; n++) await stage.clock.run(run.note(`${n}`))
    expect(snapshotProblem(keptOf(stage), linesOf(stage))).toBe(null)
    expect(failures).toHaveLength(1)
  })

  it('keeps one again once the run has become small enough for it', async () => {
    const stage = new RunStage()
    const process = stage.process()
    const { snapshots } = process.adapter
    let tooLarge = true
    const save: SnapshotStore['save'] = (id, pieces) =>
      tooLarge
        ? Promise.reject(new RepriseError('TOO_LARGE', 'It has too many characters.'))
        : snapshots.save(id, pieces)
    const adapter = { ...process.adapter, snapshots: { ...snapshots, save } }
    const { run } = await stage.open({ adapter, snapshotEveryEvents: 5 }, process)
    const failures: unknown[] = []
    run.on('transport-failed', (error) => failures.push(error))
    while (failures.length === 0) await stage.clock.run(run.note('once more'))
    expect(failures).toMatchObject([{ code: 'TOO_LARGE' }])
    tooLarge = false
    for (let n = 0; n < 6; n++) await stage.clock.run(run.note(`${n}`))
    await stage.clock.settle()
    expect(keptOf(stage)).not.toBe(undefined)
    expect(snapshotProblem(keptOf(stage), linesOf(stage))).toBe(null)
  })

  it('ends what it was writing when it has lost the lock', async () => {
    const stage = new RunStage()
    const zombie = await stage.open({ snapshotEveryEvents: 5 })
    const held = stage.hold('snapshots.put')
    const savers = new Set<number>()
    stage.intercept(({ method, phase, pid }) => {
      if (method === 'save' && phase === 'after') savers.add(pid)
      return 'go'
    })
    while (held.held === 0) await stage.clock.run(zombie.run.note('once more'))
    const heir = await stage.open({ takeover: 'now', snapshotEveryEvents: 5 })
    await expect(stage.clock.run(zombie.run.note('late'))).rejects.toMatchObject({ code: 'LOCK_LOST' })
    for (let n = 0; n < 6; n++) await stage.clock.run(heir.run.note(`${n}`))
    held.release()
    await stage.clock.settle()
    await stage.close(zombie)
    expect(snapshotProblem(keptOf(stage), linesOf(stage))).toBe(null)
    expect([...savers]).toEqual([heir.runtime.pid])
  })

  it('leaves none behind when the run is removed, not even one that was on its way', async () => {
    const stage = new RunStage()
    const first = await stage.open({ snapshotEveryEvents: 1 })
    await stage.clock.run(first.run.complete('done'))
    await stage.clock.run(first.run.close())
    const { adapter } = stage.process()
    expect(keptOf(stage)).not.toBe(undefined)
    await stage.clock.run(adapter.log.remove(runId))
    expect(keptOf(stage)).toBe(undefined)
    const pieces = async function* () {
      yield 'late'
    }
    await expect(stage.clock.run(adapter.snapshots.save(runId, pieces()))).rejects.toMatchObject({
      code: 'RUN_UNKNOWN',
    })
    expect(keptOf(stage)).toBe(undefined)
  })

  it('goes on from one that is older than what another coordinator has appended', async () => {
    const stage = new RunStage()
    await stage.close(await stage.open({ snapshotEveryEvents: 1 }))
    const old = keptOf(stage) ?? []
    const second = await stage.open({ snapshotEveryEvents: 0 })
    await stage.clock.run(second.run.dispatch(requests(4)))
    second.adapter.kill()
    stage.backend.snapshots.set(runId, old)
    const { run } = await stage.open()
    expect(integrity(run)).toMatch(/a snapshot stands for the first \d+, the last of these and the [1-9]/)
    expect(run.status.counts).toMatchObject({ tasks: 4, out: 4 })
  })

  it('drops one of commits that the log has lost, and says which', async () => {
    const stage = new RunStage()
    await stage.close(await stage.open({ snapshotEveryEvents: 1 }))
    const records: readonly CommitRecord[] = stage.backend.recordsOf(runId)
    stage.backend.runs.records.set(runId, records.slice(0, -1))
    const { run } = await stage.open()
    expect(integrity(run)).toContain(`a snapshot was left aside: the log ends before commit ${records.length - 1}`)
  })
})
