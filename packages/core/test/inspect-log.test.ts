import { describe, expect, it } from 'vitest'
import { type CommitRecord, encodeCommit, readCommit } from '../src/log/commit-record.js'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import type { RunId } from '../src/protocol/ids.js'
import { inspectLog } from '../src/replay/inspect-log.js'
import { completedStory } from './golden-logs/golden-story.js'
import { RunStage, requests, runId } from './run-stage.js'
import { backendWith, snapshotOf } from './snapshot-of.js'

/** What is found in the log of a run after `change`; looking must leave it as it was. */
async function inspected(change: (records: CommitRecord[]) => CommitRecord[], name: RunId = runId) {
  const stage = new RunStage()
  const { run } = await stage.open()
  await stage.clock.run(run.dispatch(requests(2)))
  for (const word of ['one', 'two', 'three']) await stage.clock.run(run.note(word))
  const records = change([...stage.backend.recordsOf(runId)])
  stage.backend.runs.records.set(name, records)
  const report = await stage.clock.run(inspectLog(stage.outside.adapter.log, name))
  expect(stage.backend.recordsOf(name)).toEqual(records)
  return { report, records, version: run.status.version }
}

const edited = (record: CommitRecord | undefined, from: string, to: string): CommitRecord => {
  expect(record?.text).toContain(from)
  return { ...record!, text: record!.text.replace(from, to) }
}

/** The same commit with other events, and a right hash. */
function rewritten(record: CommitRecord | undefined, change: (text: string) => string): CommitRecord {
  const commit = readCommit(record?.text ?? '', record?.index ?? 0)
  return encodeCommit(
    commit,
    commit.events.map((event) => change(JSON.stringify(event))),
  )
}

/** Every commit from `from` on, on top of what is before: a right chain. */
function chained(records: CommitRecord[], from: number, change: (text: string) => string): CommitRecord[] {
  const result = records.slice(0, from)
  for (const record of records.slice(from)) {
    const commit = { ...readCommit(record.text, record.index), prev: result.at(-1)?.hash ?? '0'.repeat(64) }
    result.push(
      encodeCommit(
        commit,
        commit.events.map((event) => change(JSON.stringify(event))),
      ),
    )
  }
  return result
}

/** What happened to a log, what that is called, which commit is the first bad one, and how to do it. */
const damages: [string, string, number, (all: CommitRecord[]) => CommitRecord[]][] = [
  ['changed', 'changed', 1, (all) => all.with(1, edited(all[1], '"resumed"', '"resumes"'))],
  ['dropped', 'missing', 1, (all) => all.toSpliced(1, 1)],
  ['exchanged with the next', 'reordered', 1, (all) => all.with(1, all[2]!).with(2, all[1]!)],
  ['written over the next', 'missing', 2, (all) => all.with(2, all[1]!)],
  [
    'rewritten alone',
    'forked',
    3,
    (all) =>
      all.with(
        2,
        rewritten(all[2], (text) => text.replace('t1', 't9')),
      ),
  ],
  ['of a later library', 'too-new', 3, (all) => chained(all, 3, (text) => text.replace('note-added', 'note-sung'))],
  ['impossible', 'impossible', 3, (all) => chained(all, 3, (text) => text.replace('note-added', 'task-cancelled'))],
  ['replaced by what another project wrote', 'foreign', 2, (all) => all.with(2, { ...all[2]!, text: '{"level":1}' })],
]

describe('inspecting a log', () => {
  it('tells the length, version and ends of one that is right', async () => {
    const { report, records, version } = await inspected((all) => all)
    const [first, head] = [records[0]?.hash, records.at(-1)?.hash]
    expect(report).toEqual({
      ...{
        runId,
        ok: true,
        commits: records.length,
        version,
        head,
        first,
        snapshotCommits: 0,
        problem: null,
        later: 0,
      },
      remains: { torn: 0, tornTail: false, passedOver: 0 },
    })
  })

  it.each(damages)('names the first commit that was %s, and why', async (_, kind, commit, change) => {
    const { report, records } = await inspected(change)
    expect(report).toMatchObject({ ok: false, commits: commit, problem: { kind, commit } })
    expect(report.head).toBe(records[commit - 1]?.hash)
    expect(report.problem?.message).toMatch(/^\S.*[^.]\.$/)
    expect(report.problem?.remedy).toMatch(/^\S.*[^.]\.$/)
  })

  it('knows the log of another run', async () => {
    const { report } = await inspected((all) => all, 'another-run' as RunId)
    expect(report).toMatchObject({ ok: false, commits: 0, head: null, problem: { kind: 'other-run', commit: 0 } })
    expect(report.later).toBe(5)
  })

  it('says how many whole commits stand behind the first bad one', async () => {
    const { report, records } = await inspected((all) => all.with(1, edited(all[1], '"resumed"', '"resumes"')))
    expect(report.later).toBe(records.length - 2)
  })

  it('is RUN_UNKNOWN for a run that has no log', async () => {
    const stage = new RunStage()
    const none = inspectLog(stage.outside.adapter.log, 'nobody' as RunId)
    await expect(stage.clock.run(none)).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
  })

  it('quickly reads what is behind the snapshot alone, and all of it once something is wrong', async () => {
    const { lines } = completedStory()
    const half = lines.slice(0, 20)
    const report = async (bad: number | null) => {
      const text = lines[bad ?? 0]?.replace('"at":"2026', '"at":"2025') ?? ''
      const backend = backendWith(runId, bad === null ? lines : lines.with(bad, text))
      backend.snapshots.set(runId, [await snapshotOf(half)])
      const { log, snapshots } = memoryAdapter({ backend })
      return await inspectLog(log, runId, { snapshots })
    }
    const { length } = lines
    expect(await report(null)).toMatchObject({ ok: true, commits: length, snapshotCommits: 20, remains: null })
    // What a snapshot stands for is not looked at.
    expect(await report(3)).toMatchObject({ ok: true, commits: length, snapshotCommits: 20 })
    expect(await report(25)).toMatchObject({ ok: false, commits: 25, problem: { kind: 'changed', commit: 25 } })
  })
})
