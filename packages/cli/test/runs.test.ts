import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openFiles } from '@reprise/adapter-fs'
import { openNats } from '@reprise/adapter-nats'
import { openRedis } from '@reprise/adapter-redis'
import { type Adapter, openRun, type Run } from '@reprise/core'
import { startNats, startRedis } from '@reprise/test-servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunRow, runRowSchema } from '../src/commands/run-row.js'
import { inProcess } from './in-process.js'
import { type Ended, reprise } from './reprise.js'

const heldRun = fileURLToPath(new URL('held-run.mjs', import.meta.url))
const hostile = 'goal \u001b]8;;http://x\u0007\u202e of\nthe second'
let top: string
let dir: string

/** Leaves a run behind, as `act` left it. */
async function leave(adapter: Adapter, runId: string, act: (run: Run) => Promise<unknown>, goal = `goal of ${runId}`) {
  const run = await openRun({ adapter, runId, goal, successCriteria: ['all counted'] })
  await act(run)
  await run.close()
}

const tasks = (count: number) => Array.from({ length: count }, (_, n) => ({ taskId: `t${n}`, kind: 'k', input: null }))

beforeAll(async () => {
  top = mkdtempSync(join(tmpdir(), 'reprise-runs-'))
  dir = join(top, '.reprise')
  const adapter = await openFiles({ dir })
  await leave(adapter, 'build-1', (run) => run.dispatch(tasks(2)))
  await leave(adapter, 'build-2', (run) => run.pause('a break'), hostile)
  await leave(adapter, 'digest-1', (run) => run.fail('it does not work'))
  await leave(adapter, 'digest-2', (run) => run.dispatch(tasks(3)).then(() => run.block('no disk')))
  await adapter.close()
}, 60_000)
afterAll(() => rmSync(top, { recursive: true }))

const rowsOf = ({ stdout }: Ended): RunRow[] =>
  stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => runRowSchema.parse(JSON.parse(line)))
const namesOf = (ended: Ended): string[] => rowsOf(ended).map(({ runId }) => runId)
const at = (...args: string[]): Promise<Ended> => reprise(['runs', ...args], { cwd: top })

// Each start of the command takes a second or more on a busy machine.
describe('reprise runs', { timeout: 120_000 }, () => {
  it('lists what is in the nearest folder, youngest first, and says how many and what was read', async () => {
    const { code, stdout, stderr } = await at()
    const cells = stdout.split('\n').map((line) => line.replace(/[\d.]+ (ms|s|min) /, 'AGE ').split(/ +/))
    expect(cells).toEqual([
      ['RUN', 'STATUS', 'MODE', 'AGE', 'OPEN', 'HOLDER'],
      ['digest-2', 'blocked', 'awaiting', 'AGE', '3', '-'],
      ['digest-1', 'failed', 'closed', 'AGE', '0', '-'],
      ['build-2', 'paused', 'dispatching', 'AGE', '0', '-'],
      ['build-1', 'awaiting-result', 'awaiting', 'AGE', '2', '-'],
      [''],
    ])
    expect([code, stderr]).toEqual([0, '4 runs; no log had to be read.\n'])
  })

  it('gives a document per line, of which any part can be chosen, in any of the documented orders', async () => {
    const [all, chosen, open, by] = await Promise.all([
      at('--json'),
      at('--json', '--status', 'failed', '--status', 'blocked', '--sort', 'status'),
      at('--json', '--open', '--prefix', 'build-', '--limit', '1'),
      at('--json', '--sort', 'open'),
    ])
    expect(all.stderr).toBe('')
    expect(rowsOf(all).at(-1)).toMatchObject({
      ...{ runId: 'build-1', goal: 'goal of build-1', status: 'awaiting-result', mode: 'awaiting', problem: null },
      ...{ openTasks: 2, open: { planned: 0, out: 2, received: 0, stopped: 0 }, tasks: 2, accepted: 0 },
      ...{ holder: null, criteria: { met: 0, total: 1 }, source: 'summary' },
    })
    expect(namesOf(all)).toEqual(['digest-2', 'digest-1', 'build-2', 'build-1'])
    expect(namesOf(chosen)).toEqual(['digest-2', 'digest-1'])
    expect(namesOf(open)).toEqual(['build-2'])
    expect(namesOf(by)).toEqual(['digest-2', 'build-1', 'digest-1', 'build-2'])
  })

  it('shows what the long form has room for, nothing of it as a terminal would obey it', async () => {
    const { stdout, stderr } = await at('--long', '--limit', '3')
    expect(stdout).toContain('goal \\u{1b}]8;;http://x\\u{7}\\u{202e} of\\nthe second')
    expect(stdout).toMatch(/digest-2.* 0\/3 .* 0\/1 .*goal of digest-2/)
    expect(stderr).toBe('3 of 4 runs; no log had to be read.\n')
  })

  it('reads the log of a run whose holder was killed, and says that it is gone; those at rest it need not read', async () => {
    const child = spawn(process.execPath, [heldRun, dir, 'held'], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    const [alive] = rowsOf(await at('--json', '--prefix', 'held'))
    expect(alive).toMatchObject({ openTasks: 3, holder: { pid: child.pid, live: true } })
    child.kill('SIGKILL')
    await once(child, 'exit')
    // It may have had the time to put one.
    rmSync(join(dir, 'runs', 'held', 'summary'), { force: true })
    const { code, stdout, stderr } = await at()
    expect(stdout).toMatch(new RegExp(`^held .* 3 +gone ${child.pid}@`, 'm'))
    expect([code, stderr]).toEqual([0, '5 runs; 1 log had to be read.\n'])
    const adapter = await openFiles({ dir })
    await (await openRun({ adapter, runId: 'held' })).close()
    await adapter.close()
    expect((await at()).stderr).toBe('5 runs; no log had to be read.\n')
  })

  it('has a row for a log that is damaged, before all others, and ends with 1', async () => {
    const other = join(top, 'other')
    const adapter = await openFiles({ dir: other })
    await leave(adapter, 'bad', (run) => run.note('flipped'))
    await leave(adapter, 'good', (run) => run.note('intact'))
    await adapter.close()
    const path = join(other, 'runs', 'bad', 'log.jsonl')
    writeFileSync(path, readFileSync(path, 'utf8').replace('flipped', 'fl1pped'))
    rmSync(join(other, 'runs', 'bad', 'summary'))
    const [text, json] = await Promise.all([at('--at', other), at('--at', other, '--json')])
    expect([text.code, json.code]).toEqual([1, 1])
    expect(text.stdout).toMatch(/^bad +LOG_CORRUPT +- +- +- +-\ngood /m)
    expect(text.stderr).toMatch(/^2 runs; 1 log had to be read; 1 log cannot be read\.\nbad: .*commit/)
    expect(rowsOf(json)).toMatchObject([
      { runId: 'bad', status: null, problem: { code: 'LOG_CORRUPT' } },
      { runId: 'good' },
    ])
  })

  it('says of an empty place that it is, and of none that there is none', async () => {
    const [empty, other] = [join(top, 'empty'), join(top, 'not-ours')]
    await (await openFiles({ dir: empty })).close()
    mkdirSync(other)
    const [nothing, foreign, none, wrong] = await Promise.all([
      at('--at', empty),
      at('--at', other),
      at('--at', join(top, 'absent')),
      at('--status', 'splendid'),
    ])
    expect([nothing.code, nothing.stdout, nothing.stderr]).toEqual([0, '', `There are no runs in ${empty}.\n`])
    expect([foreign.code, none.code]).toEqual([3, 3])
    expect(readdirSync(other)).toEqual([])
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('awaiting-result')])
  })

  it('says of a server without our streams that there is nothing, as every other command does, and makes none; of an empty Redis, that there are no runs', async () => {
    await using nats = await startNats({ private: true })
    await using redis = await startRedis({ private: true })
    const looks = [
      'runs',
      'status x',
      'verify --all',
      'why x',
      'log x --follow',
      'doctor',
      'pause x --reason r',
      'watchdog x',
    ]
    for (const look of looks) {
      const { code, stdout, stderr } = await inProcess([...look.split(' '), '--at', `${nats.url}?prefix=none`])
      const says = `reprise: There is nothing of Reprise at ${nats.url}?prefix=none under the prefix none: `
      expect([look, code, stdout, stderr.slice(0, says.length)]).toEqual([look, 3, '', says])
    }
    const adapter = await openNats({ servers: nats.url, prefix: 'none', createStreams: false })
    expect(await adapter.hasLogs()).toBe(false)
    await adapter.close()
    expect(await inProcess(['runs', '--at', redis.url])).toMatchObject({ code: 0, stdout: '' })
  })

  it('lists what is on a server', async () => {
    const servers = await Promise.all([startRedis({ private: true }), startNats({ private: true })])
    try {
      const [redis, nats] = servers.map(({ url }) => url)
      const prefix = 'listed'
      const adapters = [await openRedis({ url: redis ?? '', prefix }), await openNats({ servers: nats ?? '', prefix })]
      for (const adapter of adapters) {
        await leave(adapter, 'one', (run) => run.dispatch(tasks(2)))
        await leave(adapter, 'two', (run) => run.fail('no'))
      }
      const lists = await Promise.all(servers.map(({ url }) => at('--at', `${url}?prefix=${prefix}`, '--json')))
      for (const list of lists) {
        const rows = rowsOf(list).map(({ runId, openTasks, source }) => [runId, openTasks, source])
        expect([list.code, rows]).toEqual([
          0,
          [
            ['two', 0, 'summary'],
            ['one', 2, 'summary'],
          ],
        ])
      }
      for (const adapter of adapters) await adapter.close()
    } finally {
      await Promise.all(servers.map((server) => server.stop()))
    }
  })
})
