import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type RunEvent, readCommits } from '@reprise/core'
import { openPlace, TestFolders } from '@reprise/test-fleet'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { documentsOf, inProcess, inProcessJson } from './in-process.js'
import { command, reprise, startReprise } from './reprise.js'

const folders = new TestFolders()
const started: ReturnType<typeof startReprise>[] = []
afterEach(async () => {
  for (const { child } of started) child.kill('SIGKILL')
  await Promise.all(started.splice(0).map(({ ended }) => ended))
  await folders.removeAll()
})

const patience = { timeout: 60_000, interval: 50 }

async function scene(...more: string[]) {
  const cwd = await folders.make()
  expect((await inProcess(['open', 'r', '--goal', 'echo', ...more], { cwd })).code).toBe(0)
  const events = async (): Promise<RunEvent[]> => {
    const adapter = await openPlace({ files: join(cwd, '.reprise') })
    try {
      const all: RunEvent[] = []
      for await (const commit of readCommits(adapter.log, 'r' as never)) all.push(...commit.events)
      return all
    } finally {
      await adapter.close()
    }
  }
  const notes = async () => (await events()).flatMap(({ type, data }) => (type === 'note-added' ? [data.text] : []))
  const start = (...args: string[]) => {
    const process = startReprise(args, { cwd })
    started.push(process)
    return process
  }
  /** A coordinator in a process of its own. */
  const hold = async () => {
    const holder = start('resume', 'r', '--hold', '--json')
    await vi.waitFor(() => expect(holder.said.stdout).toContain('"resumed"'), patience)
    return holder
  }
  /** So many messages rest in the inbox. */
  const untilSent = async (count: number) => {
    const adapter = await openPlace({ files: join(cwd, '.reprise') })
    const waiting = () => adapter.inbox.peek('r' as never, 10)
    await vi.waitFor(async () => expect(await waiting()).toHaveLength(count), patience).finally(() => adapter.close())
  }
  return { cwd, events, notes, start, hold, untilSent }
}

describe('a coordinator in another process', () => {
  it('decides what is sent, tells every event, and lets the run go on Ctrl-C', async () => {
    const { cwd, hold, notes, events } = await scene()
    const holder = await hold()
    expect((await inProcessJson(['note', 'r', 'heard'], { cwd })).json).toMatchObject({ how: 'sent' })
    await vi.waitFor(() => expect(holder.said.stdout).toContain('heard'), patience)
    const held = await inProcess(['resume', 'r'], { cwd })
    expect(held).toMatchObject({ code: 5, stdout: expect.stringMatching(/FAIL {2}lease .*reprise resume r --now/s) })
    holder.child.kill('SIGINT')
    const ended = await holder.ended
    expect([ended.code, ended.stderr]).toEqual([130, ''])
    const { documents } = await documentsOf(['resume'], ended)
    expect(documents[0]).toMatchObject({ type: 'resumed', failure: null })
    expect(documents[0].gates).toHaveLength(10)
    expect(documents.slice(1).map(({ event }) => event)).toEqual(['note-added', 'lock-released'])
    const all = await events()
    expect(documents.slice(1).map(({ version }) => all[version - 1]?.type)).toEqual(['note-added', 'lock-released'])
    expect(await notes()).toEqual(['heard'])
  }, 90_000)

  it('may fall silent: who gives up waiting is told that the command stays, and it is decided once', async () => {
    const { hold, notes, start, untilSent } = await scene('--policy', 'leaseTtlMs=3600000')
    const holder = await hold()
    holder.child.kill('SIGSTOP')
    const waiting = start('note', 'r', 'patient', '--timeout', '600')
    const leaving = start('note', 'r', 'leaves', '--timeout', '600')
    await untilSent(2)
    leaving.child.kill('SIGINT')
    expect(await leaving.ended).toMatchObject({ code: 130, stderr: expect.stringContaining('stays in the inbox') })
    expect(await notes()).toEqual([])
    // Nobody is left who would answer: who waits takes the run itself.
    holder.child.kill('SIGKILL')
    expect(await waiting.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('note: patient') })
    expect((await notes()).sort()).toEqual(['leaves', 'patient'])
  }, 120_000)

  it('is replaced by resume --now, and says so', async () => {
    const { cwd, hold } = await scene()
    const holder = await hold()
    expect((await inProcess(['resume', 'r', '--now'], { cwd })).code).toBe(0)
    // It finds out by its next append, or when it looks at its lease.
    const ended = await holder.ended
    expect([ended.code, (await documentsOf(['resume'], ended)).json.error.code]).toEqual([5, 'LOCK_LOST'])
  }, 90_000)
})

describe('dispatch from a pipe', () => {
  it('takes each line in as it comes, and lets the run go on Ctrl-C', async () => {
    const { cwd, events } = await scene()
    const child = spawn(process.execPath, [command, 'dispatch', 'r', '--from', '-'], { cwd })
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    const ended = new Promise((resolve) => child.once('close', resolve))
    try {
      for (const taskId of ['a', 'b']) {
        child.stdin.write(`${JSON.stringify({ taskId, kind: 'echo', input: null })}\n`)
        await vi.waitFor(() => expect(said).toContain(`${taskId} dispatched`), patience)
      }
      child.kill('SIGINT')
      expect(await ended).toBe(130)
    } finally {
      child.kill('SIGKILL')
    }
    expect((await events()).at(-1)?.type).toBe('lock-released')
  }, 90_000)
})

describe('two commands at the same moment', () => {
  it('are both obeyed, once each', async () => {
    const { cwd, notes } = await scene()
    const both = await Promise.all(['one', 'two'].map((text) => reprise(['note', 'r', text], { cwd })))
    expect(both.map(({ code, stderr }) => [code, stderr])).toEqual([
      [0, ''],
      [0, ''],
    ])
    expect((await notes()).sort()).toEqual(['one', 'two'])
  }, 90_000)
})

describe('a command that is killed', () => {
  it('at any of its trips to the disk has dispatched all or nothing, and the same again is right', async () => {
    const { cwd, events } = await scene()
    const tasks = ['a', 'b'].map((taskId) => JSON.stringify({ taskId, kind: 'echo', input: taskId })).join('\n')
    await writeFile(join(cwd, 'tasks.jsonl'), tasks)
    const taken = async () => (await events()).filter(({ type }) => type === 'dispatched').length
    const outcomes: number[] = []
    for (let trip = 1; outcomes.at(-1) !== 2; trip++) {
      expect(await killedAt(trip, ['dispatch', 'r', '--from', 'tasks.jsonl'], cwd)).toBe('SIGKILL')
      outcomes.push(await taken())
    }
    // The lock, the gates, the tasks: only with the last of these are they in the log.
    expect(outcomes.length).toBeGreaterThan(2)
    expect(outcomes.slice(0, -1).every((count) => count === 0)).toBe(true)
    const again = await inProcessJson(['dispatch', 'r', '--from', 'tasks.jsonl'], { cwd })
    expect(again).toMatchObject({ code: 0, json: { known: ['a', 'b'] } })
    expect(await taken()).toBe(2)
  }, 120_000)
})

/** How a command ends that gets SIGKILL right before its n-th `fdatasync`. */
function killedAt(trip: number, args: readonly string[], cwd: string): Promise<string | number | null> {
  const inject = ['-e', 'trace=fdatasync', '-e', `inject=fdatasync:signal=SIGKILL:when=${trip}`]
  // strace counts per thread.
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1' }
  const strace = ['-f', '-qq', '-o', '/dev/null', ...inject, process.execPath, command, ...args]
  const child = spawn('strace', strace, { cwd, env, stdio: 'ignore' })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(signal ?? code))
  })
}

describe('resume', () => {
  it('stops at a gate that fails, names it, and changes nothing: exit code 1', async () => {
    const { cwd } = await scene()
    const log = join(cwd, '.reprise', 'runs', 'r', 'log.jsonl')
    const broken = (await readFile(log, 'utf8')).replace('"goal":"echo"', '"goal":"ecko"')
    await writeFile(log, broken)
    const { code, json } = await inProcessJson(['resume', 'r'], { cwd })
    expect(code).toBe(1)
    expect(json).toMatchObject({ gates: [{ gate: 'log-integrity', pass: false }], failure: { code: 'LOG_CORRUPT' } })
    expect(await readFile(log, 'utf8')).toBe(broken)
  })

  it('corrects what it is told to expect, on record, and shows what came back and what is next', async () => {
    const { cwd } = await scene()
    const { json } = await inProcessJson(['resume', 'r', '--expect-mode', 'evaluating', '--state-file', 's.md'], {
      cwd,
    })
    expect(json).toMatchObject({ failure: null, mode: 'dispatching', nextAction: expect.any(String) })
    expect(json.corrections.join()).toContain('evaluating')
    expect(json.gates.every(({ pass }: { pass: boolean }) => pass)).toBe(true)
  })
})

describe('watchdog', () => {
  it('tells a coordinator that was killed in a line, or through a program, and ends on Ctrl-C', async () => {
    const { cwd, hold, start } = await scene('--policy', 'leaseTtlMs=200')
    const holder = await hold()
    holder.child.kill('SIGKILL')
    await holder.ended
    const looks = ['--interval', '0.2', '--json']
    const printing = start('watchdog', 'r', ...looks, '--id', 'printing')
    const started = start('watchdog', ...looks, '--id', 'starting', '--prefix', 'r', '--notify', 'cat > told.json')
    await vi.waitFor(() => expect(printing.said.stdout).toContain('coordinator-dead'), patience)
    await vi.waitFor(() => expect(started.said.stdout).toContain('"told"'), patience)
    for (const { child } of [printing, started]) child.kill('SIGINT')
    for (const dog of [printing, started]) {
      const ended = await dog.ended
      expect([ended.code, ended.stderr]).toEqual([130, ''])
      const { documents } = await documentsOf(['watchdog'], ended)
      const incidents = documents.filter(({ type }) => type === 'incident')
      expect(incidents).toMatchObject([{ incident: { kind: 'coordinator-dead', runId: 'r' } }])
    }
    const told = JSON.parse(await readFile(join(cwd, 'told.json'), 'utf8'))
    expect(told).toMatchObject({ kind: 'coordinator-dead', runId: 'r' })
  }, 120_000)
})
