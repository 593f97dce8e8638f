import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openRun, type RunEvent, readStateFile } from '@reprise/core'
import { openPlace, startEchoWorker, TestFolders } from '@reprise/test-fleet'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Context } from '../src/command.js'
import { type HeldLine, holdRun } from '../src/hold-run.js'
import { inProcess, inProcessJson } from './in-process.js'

const folders = new TestFolders()
afterEach(() => folders.removeAll())

/** A folder with an open run `r`, and the command in it. */
async function scene(...policy: string[]) {
  const cwd = await folders.make()
  const json = (line: string[], input = '', env = {}) => inProcessJson(line, { cwd, input, env })
  const policies = policy.flatMap((text) => ['--policy', text])
  const opened = await json(['open', 'r', '--goal', 'echo', '--criterion', 'all echoed', ...policies])
  expect(opened.code).toBe(0)
  const place = { files: join(cwd, '.reprise') }
  return { cwd, json, place, token: opened.json.token as string }
}

const line = (taskId: string, more = {}): string => JSON.stringify({ taskId, kind: 'echo', input: 1, ...more })

describe('open', () => {
  it('makes .reprise, is harmless again, from a folder below too, and refuses another goal or limit', async () => {
    const { cwd, json } = await scene('inFlightMax=3')
    expect((await json(['open', 'r', '--goal', 'echo'])).json).toMatchObject({ isNew: false, version: 5, token: null })
    const same = ['open', 'r', '--goal', 'echo', '--policy']
    expect((await json([...same, 'inFlightMax=3'])).code).toBe(0)
    const other = await json([...same, 'inFlightMax=4'])
    expect([other.code, other.json.error.code]).toEqual([4, 'RUN_MISMATCH'])
    for (const wrong of ['inFlightMax', 'inFlightMax=many', 'nothing=1']) {
      expect((await inProcess([...same, wrong], { cwd })).code).toBe(2)
    }
    expect((await inProcess(['note', 'r', 'x', '--at', join(cwd, 'elsewhere')], { cwd })).code).toBe(3)
  })
})

describe('holding a run', () => {
  it('holds a bounded number of lines for who reads slower than it runs, and says how many it left out', async () => {
    const { place } = await scene()
    const adapter = await openPlace(place)
    const run = await openRun({ adapter, runId: 'r' })
    const lines: HeldLine[] = []
    let read = (): void => {}
    const reading = new Promise<void>((resolve) => {
      read = resolve
    })
    const context = { out: { note: async () => {} } } as unknown as Context
    const held = holdRun(run, { context, adapter, settled: false }, async (line) => {
      await reading
      lines.push(line)
    })
    const event = { type: 'note-added', version: 1, data: { text: 'x', by: null } } as unknown as RunEvent
    const commit = (version: number) =>
      run.emit('commit', { index: 0, hash: '', events: [event], status: { ...run.status, version } })
    for (let version = 1; version <= 12_000; version++) commit(version)
    read()
    await vi.waitFor(() => expect(lines.at(-1)?.type).toBe('left-out'), { timeout: 30_000 })
    expect(lines.at(-1)).toEqual({ type: 'left-out', runId: 'r', events: 2_000 })
    expect(lines).toHaveLength(1 + 10_000 + 1)
    // Read again, there is nothing to leave out.
    commit(12_001)
    await vi.waitFor(() => expect(lines.at(-1)).toMatchObject({ type: 'event', version: 12_001 }), { timeout: 30_000 })
    await run.close()
    await held
    await adapter.close()
  }, 60_000)
})

describe('every acting command', () => {
  it('does what the library does under the same name, and answers as documented', async () => {
    const { json, place } = await scene('attemptsMax=1', 'retryBackoffMs=1')
    const ok = async (...args: string[]) => {
      const ended = await json(args)
      expect([args, ended.code, ended.stderr]).toEqual([args, 0, ''])
      return ended.json
    }
    const types = (acted: { events: { type: string }[] }) => acted.events.map(({ type }) => type)
    const options = ['--lane', 'default', '--priority', '9', '--attempts', '2', '--owner', 'me', '--returns', 'it']
    const more = ['--deadline', '15min', '--trace', 'trace-1', '--not-before', '2020-01-01T00:00:00Z']
    await ok('dispatch', 'r', 'a', '--kind', 'echo', '--input', '{"n":1}', ...options, ...more)
    await ok('dispatch', 'r', 'b', '--kind', 'echo', '--after', 'a')
    const worker = await startEchoWorker(place)
    const adapter = await openPlace(place)
    await vi.waitFor(async () => expect(await adapter.inbox.peek('r' as never, 5)).toHaveLength(1), { timeout: 30_000 })
    const back = [{ taskId: 'a', attempt: 1, status: 'completed' }]
    const waiting = { out: 0, planned: 1, received: 1, stopped: 0 }
    expect(await ok('resume', 'r')).toMatchObject({ cameBack: back, waiting, corrections: [] })
    expect(types(await ok('reject', 'r', 'a', '--reason', 'wrong', '--attempt', '1'))).toContain('task-rejected')
    expect(types(await ok('retry', 'r', 'a', '--reason', 'once more'))).toContain('planned')
    // It goes out again while somebody holds the run, and then waits for a decision, as the other task waits for that.
    expect((await ok('resume', 'r', '--until-settled')).event).toBe('lock-released')
    await worker.close()
    await adapter.close()
    const accepted = await ok('accept', 'r', 'a')
    expect(accepted.takenUp.receipts).toBe('0 receipts had arrived; 1 wait for a decision')
    expect(types(accepted)).toEqual(expect.arrayContaining(['task-accepted', 'dispatched']))
    expect(types(await ok('pause', 'r', '--reason', 'x'))).toEqual(['paused'])
    expect(types(await ok('unpause', 'r', '--reason', 'x'))).toContain('unpaused')
    expect(types(await ok('block', 'r', '--reason', 'x'))).toEqual(['blocked'])
    expect(types(await ok('unblock', 'r', '--reason', 'x'))).toContain('unblocked')
    expect(types(await ok('note', 'r', 'said'))).toEqual(['note-added'])
    expect(types(await ok('checkpoint', 'set', 'r', '--due', '+2h', '--note', 'look'))).toEqual(['checkpoint-set'])
    expect(types(await ok('criterion', 'met', 'r', '1', '--evidence', 'a', '--task', 'a'))).toEqual(['criterion-met'])
    expect(types(await ok('criterion', 'reopen', 'r', 'all echoed', '--reason', 'x'))).toEqual(['criterion-reopened'])
    await ok('dispatch', 'r', 'c', '--kind', 'echo')
    expect(types(await ok('abandon', 'r', 'c', '--reason', 'x'))).toContain('task-abandoned')
    expect(types(await ok('cancel', 'r', 'b', '--reason', 'x'))).toContain('task-cancelled')
    expect(types(await ok('fail', 'r', '--reason', 'enough'))).toEqual(['run-failed'])
    const late = await json(['note', 'r', 'late'])
    expect([late.code, late.json.error.code]).toEqual([4, 'RUN_CLOSED'])
    const complete = await json(['complete', 'r', '--summary', 'x'])
    expect([complete.code, complete.json.error.code]).toEqual([4, 'RUN_CLOSED'])
    const sent = await json(['complete', 'r', '--summary', 'x', '--send'])
    expect([sent.code, sent.json.error.code]).toEqual([4, 'RUN_CLOSED'])
  }, 60_000)

  it('fails with the code of what is wrong, and does nothing then', async () => {
    const { json, cwd, token } = await scene()
    const ends = async (code: number, error: string, ...args: string[]) => {
      const ended = await json(args)
      expect([args, ended.code, ended.json.error.code]).toEqual([args, code, error])
    }
    const before = (await json(['briefing', 'r'])).json.briefing.version
    await ends(3, 'NOT_FOUND', 'note', 'unknown', 'x')
    await ends(3, 'NOT_FOUND', 'briefing', 'unknown')
    await ends(3, 'NOT_FOUND', 'changes', 'unknown', '--token', token)
    await ends(2, 'USAGE', 'note', '../r', 'x')
    await ends(2, 'USAGE', 'pause', 'r')
    await ends(2, 'USAGE', 'dispatch', 'r', 'a')
    await ends(2, 'USAGE', 'dispatch', 'r', 'a', '--kind', 'echo', '--input', '{')
    await ends(2, 'USAGE', 'note', 'r', 'x', '--send', '--take')
    await ends(2, 'USAGE', 'note', 'r', 'x', '--timeout', 'soon')
    await ends(2, 'USAGE', 'checkpoint', 'set', 'r', '--due', 'tomorrow')
    await ends(2, 'INVALID_INPUT', 'note', 'r', '')
    await ends(4, 'TOKEN_INVALID', 'note', 'r', 'x', '--token', 'rct1.made.up')
    expect((await json(['briefing', 'r'])).json.briefing.version).toBe(before)
    await ends(3, 'TASK_UNKNOWN', 'accept', 'r', 'a')
    await ends(4, 'EVIDENCE_MISSING', 'complete', 'r', '--summary', 'x')
    expect((await inProcess(['pause', 'r'], { cwd })).stderr).toBe('reprise: --reason is missing.\n')
  })

  it('takes the token from REPRISE_TOKEN too, and says in words what has changed since', async () => {
    const { json, cwd, token } = await scene()
    const first = await json(['note', 'r', 'one'], '', { REPRISE_TOKEN: token })
    expect(first.json.changes.newest.map(({ type }: { type: string }) => type)).toContain('note-added')
    expect((await json(['pause', 'r', '--reason', 'x', '--token', first.json.token])).code).toBe(0)
    const stale = await inProcess(['unpause', 'r', '--reason', 'x'], { cwd, env: { REPRISE_TOKEN: token } })
    expect(stale).toMatchObject({ code: 4, stdout: '' })
    expect(stale.stderr).toMatch(
      /Since that token, \d+ events\. \d+ only say who held it\.\n( {2}\d+ {2}.*\n){2}To decide again: --token rct1\.\S+\n/,
    )
    expect(stale.stderr).toContain('paused: x')
    const fresh = /--token (\S+)/.exec(stale.stderr)?.[1] ?? ''
    const { json: read } = await json(['changes', 'r', '--token', token])
    expect(read).toMatchObject({ token: fresh, total: read.newest.length })
    expect((await json(['unpause', 'r', '--reason', 'x', '--token', fresh])).code).toBe(0)
  })

  it('says which of several tasks were refused, and fails only if all were', async () => {
    const { json, cwd } = await scene()
    await json(['dispatch', 'r', '--from', '-'], [line('a'), line('b')].join('\n'))
    const superseded = await json(['cancel', 'r', 'a', '--attempt', '2', '--reason', 'x'])
    expect([superseded.code, superseded.json.error.code]).toEqual([4, 'ATTEMPT_SUPERSEDED'])
    const some = await json(['cancel', 'r', 'a', 'unknown', 'b', '--reason', 'x'])
    expect(some.code).toBe(4)
    expect(some.json.tasks.map(({ taskId, code }: { taskId: string; code: string }) => [taskId, code])).toEqual([
      ['a', null],
      ['unknown', 'TASK_UNKNOWN'],
      ['b', null],
    ])
    const none = await inProcess(['cancel', 'r', 'a', 'b', '--reason', 'x'], { cwd })
    expect(none).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining('Task a') })
  })

  it('is only sent with --send: nobody answers in time, and whoever takes the run up decides it', async () => {
    const { json } = await scene()
    const late = await json(['note', 'r', 'sent', '--send', '--timeout', '0.3'])
    expect([late.code, late.json.error.code]).toEqual([5, 'TIMEOUT'])
    expect((await json(['resume', 'r'])).code).toBe(0)
    const refused = await json(['note', 'r', 'x', '--no-wait', '--take'])
    expect([refused.code, refused.json.error.code]).toEqual([2, 'USAGE'])
    expect((await json(['briefing', 'r'])).json.text).toContain('sent')
  })

  it('keeps the state file right that it is given', async () => {
    const { json, cwd } = await scene()
    const { json: noted } = await json(['note', 'r', 'in the file', '--state-file', 'docs/state.md'])
    const text = await readFile(join(cwd, 'docs/state.md'), 'utf8')
    expect(text).toContain('in the file')
    expect(readStateFile(text)?.version).toBeGreaterThanOrEqual(noted.version)
  })

  it('stops at a gate behind the lock with the gates as the log has them', async () => {
    const { json, cwd, place } = await scene()
    await cp(place.files, join(cwd, 'old'), { recursive: true })
    await json(['note', 'r', 'lost soon', '--state-file', 's.md'])
    await rm(place.files, { recursive: true })
    await cp(join(cwd, 'old'), place.files, { recursive: true })
    const { code, json: resumed } = await json(['resume', 'r', '--state-file', 's.md'])
    expect([code, resumed.failure.code]).toEqual([1, 'GATE_FAILED'])
    expect(resumed.gates).toHaveLength(10)
    expect(resumed.gates.at(-1)).toMatchObject({ gate: 'state-file', pass: false })
    const { stdout } = await inProcess(['resume', 'r', '--state-file', 's.md'], { cwd })
    expect(stdout).toMatch(/^(pass {2}.*\n){9}FAIL {2}state-file .*\nGATE_FAILED: /)
  })

  it('shows nothing of a hostile text as it is', async () => {
    const { cwd } = await scene()
    const { stdout } = await inProcess(['note', 'r', 'a\u001b]0;owned\u0007\u202e'], { cwd })
    expect(stdout).toContain('note: a\\u{1b}]0;owned\\u{7}\\u{202e}')
  })
})

describe('dispatch --from', () => {
  it('reads tasks as lines, in batches, one line of output each; again, all are known', async () => {
    const { json, cwd } = await scene('inFlightMax=2')
    const ids = Array.from({ length: 1_200 }, (_, i) => `t${i}`)
    await writeFile(join(cwd, 'tasks.jsonl'), `${ids.map((id) => line(id)).join('\n')}\n\n`)
    const sum = (documents: Record<string, string[]>[], name: string) => documents.flatMap((each) => each[name] ?? [])
    const first = await json(['dispatch', 'r', '--from', 'tasks.jsonl'])
    expect(first.code).toBe(0)
    expect(first.documents.length).toBeGreaterThan(2)
    expect(sum(first.documents, 'dispatched')).toEqual(['t0', 't1'])
    expect(sum(first.documents, 'planned')).toEqual(ids.slice(2))
    const again = await json(['dispatch', 'r', '--from', '-'], ids.map((id) => line(id)).join('\n'))
    expect(sum(again.documents, 'known')).toEqual(ids)
    expect((await inProcess(['dispatch', 'r', '--from', '-'], { cwd, input: line('t0') })).stdout).toMatch(
      /^t0 in the log before\nr is at version \d+\n$/,
    )
  })

  it('names the line that is no task, and what came before it stands', async () => {
    const { json, cwd } = await scene()
    const bad = async (...lines: string[]) =>
      inProcess(['dispatch', 'r', '--from', '-'], { cwd, input: lines.join('\n') })
    expect(await bad(line('a'), '', '{')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Line 3 of standard input is not JSON'),
    })
    const wrong = await bad(line('a'), line('b', { priority: 10 }), line('c'))
    expect(wrong).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Line 2 of standard input is no task: priority'),
    })
    const many = Array.from({ length: 600 }, (_, i) => line(`t${i}`))
    expect((await bad(...many, line('x', { kind: '' }))).stderr).toContain('Line 601 of standard input')
    expect((await json(['dispatch', 'r', '--from', '-'], many.join('\n'))).documents[0].known).toHaveLength(500)
    expect((await bad('x'.repeat(2 * 1024 * 1024))).code).toBe(2)
    expect((await json(['dispatch', 'r', '--from', 'nowhere'])).json.error.code).toBe('NOT_FOUND')
    expect((await json(['dispatch', 'r', 'a', '--from', '-'])).code).toBe(2)
  })

  it('names what a limit keeps out, and its exit code says refused', async () => {
    const { json } = await scene('tasksMax=1')
    const kept = await json(['dispatch', 'r', '--from', '-'], ['a', 'b', 'c'].map((id) => line(id)).join('\n'))
    expect(kept.code).toBe(4)
    expect(kept.json).toMatchObject({
      dispatched: ['a'],
      refused: [{ taskId: 'b', rule: 'tasksMax' }, { taskId: 'c' }],
    })
    const other = await json(['dispatch', 'r', 'a', '--kind', 'other'])
    expect([other.code, other.json.error.code]).toEqual([4, 'TASK_CONFLICT'])
  })

  it('takes one token for all its batches', async () => {
    const { json, token } = await scene()
    const lines = Array.from({ length: 1_100 }, (_, i) => line(`t${i}`)).join('\n')
    const ended = await json(['dispatch', 'r', '--from', '-', '--token', token], lines)
    expect([ended.code, ended.stderr]).toEqual([0, ''])
    const stale = await json(['dispatch', 'r', 'x', '--kind', 'echo', '--token', token])
    expect(stale.json.error.code).toBe('STALE_CONTEXT')
    expect((await json(['dispatch', 'r', 'x', '--kind', 'echo', '--token', ended.json.token])).code).toBe(0)
  })
})

describe('a run that a coordinator of this machine holds', () => {
  it('is sent commands, each answered by its log; --take fails, --no-wait does not wait', async () => {
    const { json, place, cwd } = await scene()
    const adapter = await openPlace(place)
    const run = await openRun({ adapter, runId: 'r', stateFile: join(cwd, 'state.md') })
    const sent = await json(['dispatch', 'r', 'a', '--kind', 'echo', '--token', run.contextToken()])
    expect(sent.json).toMatchObject({ how: 'sent', dispatched: ['a'], takenUp: null, cause: { seq: 1 } })
    expect((await json(['dispatch', 'r', 'a', '--kind', 'echo'])).json).toMatchObject({ how: 'sent', known: ['a'] })
    const refused = await json(['accept', 'r', 'a'])
    expect([refused.code, refused.json.error]).toMatchObject([4, { code: 'NO_RECEIPT', details: { how: 'sent' } }])
    const taken = await json(['note', 'r', 'x', '--take'])
    expect([taken.code, taken.json.error.code]).toEqual([5, 'RUN_HELD'])
    expect(taken.json.error.message).toContain('reprise resume r --now')
    const left = await json(['note', 'r', 'left', '--no-wait'])
    expect(left.json).toMatchObject({ how: 'sent', version: null, events: [] })
    await vi.waitFor(async () => expect((await run.briefing()).text).toContain('left'), { timeout: 30_000 })
    expect((await json(['cancel', 'r', 'a', '--reason', 'x'])).code).toBe(0)
    const ended = await json(['complete', 'r', '--summary', 'all', '--evidence', '1=seen'])
    expect(ended.json).toMatchObject({ how: 'sent', summary: 'all', checklist: [{ pass: true }, {}, { pass: true }] })
    expect(ended.json.checklist[2].evidence).toContain('was read back')
    expect(await json(['complete', 'r', '--summary', 'all'])).toMatchObject({ code: 0, json: { summary: 'all' } })
    await run.close()
    await adapter.close()
  }, 60_000)
})
