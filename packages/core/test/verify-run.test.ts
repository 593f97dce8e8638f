import { describe, expect, it } from 'vitest'
import { verifyRun } from '../src/coordinator/load-run.js'
import type { CommitRecord } from '../src/log/commit-record.js'
import { RunStage, requests, runId } from './run-stage.js'

/** The verdict on the log of a run after `change`, and whether verifying has left it as it was. */
async function verdictOn(change: (records: CommitRecord[]) => CommitRecord[]) {
  const stage = new RunStage()
  const { run } = await stage.open()
  await stage.clock.run(run.dispatch(requests(2)))
  await stage.clock.run(run.note('a word'))
  const records = change([...stage.backend.recordsOf(runId)])
  stage.backend.runs.records.set(runId, records)
  const verdict = await stage.clock.run(verifyRun(stage.outside.adapter.log, runId))
  expect(stage.backend.recordsOf(runId)).toEqual(records)
  return { verdict, records, version: run.status.version }
}

const edit = (record: CommitRecord | undefined, from: string, to: string): CommitRecord => {
  expect(record?.text).toContain(from)
  return { ...record!, text: record!.text.replace(from, to) }
}

describe('verifying a run', () => {
  it('tells the length, version and head of a log that is whole', async () => {
    const { verdict, records, version } = await verdictOn((all) => all)
    expect(verdict).toEqual({ ok: true, commits: records.length, version, head: records.at(-1)?.hash })
  })

  it('names the first bad commit of a log in which one was changed, dropped or exchanged', async () => {
    const changed = await verdictOn((all) => all.with(1, edit(all[1], '"resumed"', '"resumes"')))
    const dropped = await verdictOn((all) => all.toSpliced(1, 1))
    const exchanged = await verdictOn((all) => all.with(1, all[2]!).with(2, all[1]!))
    for (const { verdict } of [changed, dropped, exchanged]) {
      expect(verdict).toMatchObject({ ok: false, firstBadCommit: 1 })
    }
  })

  it('cannot tell that the newest commits are missing: only a head that was kept elsewhere shows that', async () => {
    const whole = await verdictOn((all) => all)
    const { verdict } = await verdictOn((all) => all.slice(0, -1))
    expect(verdict).toMatchObject({ ok: true, commits: whole.records.length - 1 })
  })
})
