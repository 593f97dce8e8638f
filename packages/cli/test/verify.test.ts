import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFiles } from '@reprise/adapter-fs'
import { openRun } from '@reprise/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verify } from '../src/commands/verify.js'
import { brokenFolder, contentsOf } from './broken-logs/folder.js'
import { brokenLogs } from './broken-logs/kinds.js'
import { inProcess } from './in-process.js'
import { reprise, repriseJson } from './reprise.js'

let folder: Awaited<ReturnType<typeof brokenFolder>>
let reports: Record<string, { ok: boolean; commits: number; problem: Record<string, unknown> | null; remains: object }>
let ended: Awaited<ReturnType<typeof reprise>>
let before: string[]

beforeAll(async () => {
  folder = await brokenFolder()
  before = await contentsOf(folder.dir)
  ended = await reprise(['verify', '--all', '--json', '--at', folder.dir])
  const lines = ended.stdout.trimEnd().split('\n')
  reports = Object.fromEntries(lines.map((text) => [JSON.parse(text).runId, JSON.parse(text)]))
})
afterAll(() => folder.remove())

describe('verify --all', () => {
  it('goes on behind bad runs, ends with 1, and changes nothing', async () => {
    expect(ended).toMatchObject({ code: 1, stderr: '' })
    // An empty file is no run that could be listed.
    expect(Object.keys(reports).sort()).toEqual(
      Object.keys(brokenLogs)
        .filter((name) => name !== 'empty')
        .sort(),
    )
    for (const report of Object.values(reports)) expect(verify.schema.parse(report)).toEqual(report)
    expect(await contentsOf(folder.dir)).toEqual(before)
  })

  it.each(Object.keys(brokenLogs).filter((name) => name !== 'empty'))(
    'knows what is wrong with the log "%s"',
    (name) => {
      const { kind, commit } = folder.logs[name] ?? expect.fail()
      const report = reports[name] ?? expect.fail()
      expect({ ok: report.ok, kind: report.problem?.kind ?? null }).toEqual({ ok: kind === null, kind })
      if (kind === null) return
      expect(report.problem).toMatchObject({ commit, message: expect.any(String), remedy: expect.any(String) })
      if (kind !== 'empty') expect(report.problem?.place).toMatch(/^byte \d+$/)
      expect(report.commits).toBe(commit)
    },
  )

  it('counts what is harmless', () => {
    expect(reports['torn-tail']?.remains).toEqual({ torn: 1, tornTail: true, passedOver: 0 })
    expect(reports['torn-middle']?.remains).toEqual({ torn: 1, tornTail: false, passedOver: 0 })
    expect(reports['written-twice']?.remains).toEqual({ torn: 0, tornTail: false, passedOver: 1 })
    expect(reports['came-too-late']?.remains).toEqual({ torn: 0, tornTail: false, passedOver: 1 })
    expect(reports.whole?.remains).toEqual({ torn: 0, tornTail: false, passedOver: 0 })
  })

  it('says in human form, on a line each, which are good, and of the others what to do', async () => {
    const { code, stdout, stderr } = await reprise(['verify', '--all', '--at', folder.dir])
    const bad = Object.values(reports).filter(({ ok }) => !ok)
    expect({ code, stderr }).toEqual({ code: 1, stderr: `${Object.keys(reports).length} runs, ${bad.length} bad.\n` })
    expect(stdout).toMatch(/^ok {3}whole {2}45 commits, 89 events, head [0-9a-f]{12}$/m)
    expect(stdout).toMatch(/^ok {3}torn-tail .* 1 harmless remain of a write that failed at the end$/m)
    expect(stdout).toMatch(
      /^bad {2}flipped {2}changed: commit 12 at byte \d+\n {5}Commit 12 was changed: .*\n {5}12 right/m,
    )
    // What another project wrote is told harmlessly.
    expect(stdout).not.toContain('\u001b')
  })
})

describe('verify RUN', () => {
  it('finds nothing wrong with a log that is being written, and sees it grow', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'reprise-verify-'))
    const adapter = await openFiles({ dir })
    const run = await openRun({ adapter, runId: 'busy', goal: 'go on' })
    let isDone = false
    const writing = (async () => {
      while (!isDone) await run.note('a word')
    })()
    const seen: number[] = []
    while (seen.length < 8) {
      const { code, stdout } = await inProcess(['verify', 'busy', '--json', '--at', dir])
      expect(code).toBe(0)
      seen.push(JSON.parse(stdout).version)
    }
    isDone = true
    await writing
    await run.close()
    await adapter.close()
    await rm(dir, { recursive: true })
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
    expect(seen.at(-1)).toBeGreaterThan(seen[0] ?? 0)
  })

  it('tells an empty log from a run that is not there, and asks for one of RUN and --all', async () => {
    const [empty, none, neither, both] = await Promise.all([
      repriseJson(['verify', 'empty', '--at', folder.dir]),
      repriseJson(['verify', 'nobody', '--at', folder.dir]),
      reprise(['verify', '--at', folder.dir]),
      reprise(['verify', 'whole', '--all', '--at', folder.dir]),
    ])
    expect(empty).toMatchObject({ code: 1, json: { ok: false, commits: 0, problem: { kind: 'empty' } } })
    expect(none).toMatchObject({ code: 3, json: { error: { code: 'NOT_FOUND' } } })
    expect([neither?.code, both?.code]).toEqual([2, 2])
    expect(await contentsOf(folder.dir)).toEqual(before)
  })
})
