import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openFiles } from '@reprise/adapter-fs'
import { openNats } from '@reprise/adapter-nats'
import { openRedis } from '@reprise/adapter-redis'
import { type Adapter, openRun, readCommits, runIdSchema } from '@reprise/core'
import { TestFolders } from '@reprise/test-fleet'
import { startNats, startRedis, type TestServer } from '@reprise/test-servers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { log } from '../src/commands/log.js'
import { goldenRun, putGoldenLog } from './drawn-run.js'
import { reprise, repriseJson, startReprise } from './reprise.js'
import { inTerminal, withoutColours } from './terminal.js'

// Each starts processes, which takes as long as a busy machine makes them take.
vi.setConfig({ testTimeout: 120_000 })
const folders = new TestFolders()
afterEach(() => folders.removeAll())

async function goldenFolder(): Promise<string> {
  const dir = join(await folders.make(), '.reprise')
  await putGoldenLog(dir)
  return dir
}
interface Line {
  readonly version: number
  readonly index: number
  readonly type: string
}
const linesOf = (stdout: string): Line[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => log.schema.parse(JSON.parse(line)) as Line)

describe('reprise log', () => {
  it('prints every event once, as JSON lines of the documented form', async () => {
    const { code, stdout, stderr } = await reprise(['log', goldenRun, '--at', await goldenFolder(), '--json'])
    const lines = linesOf(stdout)
    expect([code, stderr]).toEqual([0, ''])
    expect(lines.map(({ version }) => version)).toEqual(Array.from({ length: 92 }, (_, i) => i + 1))
    expect(JSON.parse(stdout.split('\n')[23] ?? '')).toEqual({
      ...{ version: 24, index: 9, at: '2026-01-01T00:00:01.000Z', actor: 'coordinator-1', epoch: 2, type: 'paused' },
      ...{ data: { reason: 'lunch' }, cause: { sender: 'cli-1', seq: 1 } },
    })
  })

  it('selects by type, task, place and number', async () => {
    const dir = await goldenFolder()
    const versions = async (...options: string[]) =>
      linesOf((await reprise(['log', goldenRun, '--at', dir, '--json', ...options])).stdout).map(
        ({ version }) => version,
      )
    expect(await versions('--since', '2026-01-01T00:01:10.700Z', '--until', '91', '--type', 'criterion-met')).toEqual([
      88, 90, 91,
    ])
    expect(await versions('--last', '2', '--task', 'ä €/😀')).toHaveLength(2)
  })

  it('says what is wrong with what was asked for', async () => {
    const dir = await goldenFolder()
    const ends = async (...args: string[]) => {
      const { code, json } = await repriseJson(['log', ...args, '--at', dir])
      return [code, json.error.code]
    }
    expect(await ends('no-such-run', '--follow')).toEqual([3, 'NOT_FOUND'])
    expect(await ends(goldenRun, '--type', 'dance')).toEqual([2, 'USAGE'])
  })

  it('follows a closed run no further, and says so', async () => {
    const { code, stdout, stderr } = await reprise(['log', goldenRun, '-f', '-n', '1', '--at', await goldenFolder()])
    expect([code, stderr]).toEqual([0, 'Run run-1 is closed: nothing follows.\n'])
    expect(stdout).toBe(withoutColours(stdout))
    expect(stdout).toMatch(
      /^ +92 2026-01-01 00:01:10.800 #47 +coordinator-2 +run-completed +the run is complete: everything/,
    )
  })

  it.each([40, 80, 120])('fits a terminal of %i columns, one line an event', async (columns) => {
    const { code, text } = await inTerminal(['log', goldenRun, '--at', await goldenFolder(), '-n', '60'], { columns })
    expect(code).toBe(0)
    const lines = withoutColours(text).trimEnd().split('\n')
    expect(lines).toHaveLength(60)
    expect(lines.filter((line) => line.length > columns)).toEqual([])
    expect(text).not.toBe(withoutColours(text))
    await expect(withoutColours(text)).toMatchFileSnapshot(`golden/log-${columns}.txt`)
  })

  it('is plain with NO_COLOR', async () => {
    const args = ['log', goldenRun, '--at', await goldenFolder(), '--since', '85']
    const { text } = await inTerminal(args, { env: { NO_COLOR: '1' } })
    expect(text).toMatch(/ 92 .*run-completed/)
    expect(text).toBe(withoutColours(text))
  })
})

interface Backend {
  readonly address: string
  readonly open: () => Promise<Adapter>
  /** Something bad that happens between the log and who follows it. */
  readonly disturb: () => Promise<void>
  readonly end: () => Promise<void>
}
const prefix = 'follow'
const served = (server: TestServer, open: () => Promise<Adapter>): Backend => ({
  ...{ address: `${server.url}?prefix=${prefix}`, open, disturb: () => server.restart(), end: () => server.stop() },
})
const backends: Record<string, () => Promise<Backend>> = {
  files: async () => {
    const dir = join(await folders.make(), '.reprise')
    // What a writer leaves behind that was killed in the middle of its line.
    const torn = () => appendFile(join(dir, 'runs', runId, 'log.jsonl'), '{"hash":"1234","comm')
    return { address: dir, open: () => openFiles({ dir }), disturb: torn, end: async () => {} }
  },
  Redis: async () => {
    const server = await startRedis({ private: true })
    return served(server, () => openRedis({ url: server.url, prefix }))
  },
  NATS: async () => {
    const server = await startNats({ private: true })
    return served(server, () => openNats({ servers: server.url, prefix }))
  },
}
const runId = runIdSchema.parse('followed')

describe('reprise log --follow', () => {
  it.each(Object.keys(backends))(
    'on %s misses and doubles nothing, through a disturbance and a take-over',
    async (name) => {
      const backend = await (backends[name] as () => Promise<Backend>)()
      const [first, second] = [await backend.open(), await backend.open()]
      const following: ReturnType<typeof startReprise>[] = []
      try {
        const options = { runId, goal: 'to be followed', successCriteria: [] }
        const run = await openRun({ adapter: first, ...options })
        await run.note('one')
        following.push(startReprise(['log', runId, '--follow', '--json', '--at', backend.address]))
        following.push(startReprise(['log', runId, '--follow', '--json', '--last', '1', '--at', backend.address]))
        const shown = (text: string) =>
          vi.waitFor(() => expect(following.every(({ said }) => said.stdout.includes(`"${text}"`))).toBe(true), 60_000)
        await shown('one')
        await backend.disturb()
        await run.note('two')
        await shown('two')
        const taken = await openRun({ adapter: second, ...options, takeover: 'now' })
        await taken.note('three')
        await shown('three')
        await taken.complete('done')
        const ends = await Promise.all(following.map(({ ended }) => ended))
        expect(ends.map(({ code, stderr }) => [code, stderr])).toEqual(
          ends.map(() => [0, 'Run followed is closed: nothing follows.\n']),
        )
        let version = 0
        for await (const commit of readCommits(second.log, runId)) version = commit.version
        const [whole = [], fromTheEnd = []] = ends.map(({ stdout }) => linesOf(stdout).map((line) => line.version))
        expect(whole).toEqual(Array.from({ length: version }, (_, i) => i + 1))
        expect(fromTheEnd).toEqual(whole.slice(whole.indexOf(fromTheEnd[0] ?? 0)))
        await taken.close()
        await run.close()
      } finally {
        for (const { child } of following) child.kill('SIGKILL')
        await Promise.allSettled([first.close(), second.close()])
        await backend.end()
      }
    },
  )

  it('ends on Ctrl-C', async () => {
    const dir = join(await folders.make(), '.reprise')
    const adapter = await openFiles({ dir })
    try {
      const run = await openRun({ adapter, runId, goal: 'g', successCriteria: [] })
      const { child, said, ended } = startReprise(['log', runId, '-f', '--at', dir])
      await vi.waitFor(() => expect(said.stdout).toContain('run-opened'), 60_000)
      child.kill('SIGINT')
      expect(await ended).toMatchObject({ code: 130, stderr: '' })
      await run.close()
    } finally {
      await adapter.close()
    }
  })
})
