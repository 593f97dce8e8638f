import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { runProgram } from '../src/runtime/run-program.js'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reprise-program-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const node = (code: string, ...args: string[]): string[] => [process.execPath, '-e', code, ...args]
const run = (command: readonly string[], options: Partial<Parameters<typeof runProgram>[0]> = {}) =>
  runProgram({ command, input: '', env: {}, signal: new AbortController().signal, ...options })

/** Resolves when a program has made the file. Bounded by the time of the test. */
async function made(path: string): Promise<void> {
  while (!existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 10))
}

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    // One that was killed and not waited for by its parent is there until then.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

describe('a program for an incident', () => {
  it('gets its input, its environment and its arguments as they are: no shell reads them', async () => {
    const path = join(folder, 'got')
    const write = `const fs = require('fs'); fs.writeFileSync(process.argv[1], JSON.stringify([fs.readFileSync(0, 'utf8'), process.env.REPRISE_INCIDENT, process.argv[2]]))`
    await run(node(write, path, '$(false); "'), { input: '{"kind":"ä"}', env: { REPRISE_INCIDENT: 'one' } })
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(['{"kind":"ä"}', 'one', '$(false); "'])
  })

  it.each([
    [
      'exits with another code than 0',
      node('console.error("no \\x1b[31m route"); process.exit(7)'),
      /code 7.*no \\u\{1b\}\[31m route/,
    ],
    ['is ended by a signal', node('process.kill(process.pid, "SIGKILL")'), /SIGKILL/],
    ['is not there', ['/no/such/program'], /could not be started.*ENOENT/],
    ['has a name that none can have', ['a\0b'], /could not be started.*null bytes/],
  ])('has failed when it %s', async (_what, command, message) => {
    await expect(run(command)).rejects.toMatchObject({
      code: 'PROGRAM_FAILED',
      message: expect.stringMatching(message),
    })
  })

  it('may end without reading its input, and may say more than is kept', async () => {
    await run(node('process.exit(0)'), { input: 'x'.repeat(1_000_000) })
    const loud = node('process.stdout.write("y".repeat(3_000_000), () => process.exit(1))')
    const failure = (await run(loud).catch((error: unknown) => error)) as Error
    expect(failure.message.length).toBeLessThan(4_096)
  })

  it('is ended when nobody wants it any more, with what it has started, and is gone when that is said', async () => {
    const path = join(folder, 'pids')
    const child = `setInterval(() => {}, 1000)`
    const parent = `const c = require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}]); require('fs').writeFileSync(process.argv[1] + '.tmp', JSON.stringify([process.pid, c.pid])); require('fs').renameSync(process.argv[1] + '.tmp', process.argv[1]); setInterval(() => {}, 1000)`
    const over = new AbortController()
    const running = run(node(parent, path), { signal: over.signal }).catch((error: unknown) => error)
    await made(path)
    const pids = JSON.parse(readFileSync(path, 'utf8')) as number[]
    over.abort(new Error('the incident is over'))
    expect(await running).toMatchObject({
      code: 'PROGRAM_FAILED',
      message: expect.stringMatching(/SIGTERM.*incident is over/),
    })
    while (pids.some(isRunning)) await new Promise((resolve) => setTimeout(resolve, 10))
  })

  it('is killed if it does not mind being told', async () => {
    const path = join(folder, 'deaf')
    const deaf = `process.on('SIGTERM', () => {}); require('fs').writeFileSync(process.argv[1], ''); setInterval(() => {}, 1000)`
    const over = new AbortController()
    const running = run(node(deaf, path), { signal: over.signal, killAfterMs: 100 }).catch((error: unknown) => error)
    await made(path)
    over.abort(new Error('enough'))
    expect(await running).toMatchObject({ code: 'PROGRAM_FAILED', message: expect.stringContaining('SIGKILL') })
  })

  it('that belongs to somebody else by now is not stopped, and its end is waited for', async () => {
    const path = join(folder, 'foreign')
    const go = join(folder, 'go')
    const program = `const fs = require('fs'); fs.writeFileSync(process.argv[1], ''); setInterval(() => fs.existsSync(process.argv[2]) ? process.exit(3) : fs.existsSync(process.argv[1]) || process.exit(4), 5)`
    const kill = vi.spyOn(process, 'kill').mockImplementation(() => {
      throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' })
    })
    onTestFinished(() => kill.mockRestore())
    const over = new AbortController()
    const running = run(node(program, path, go), { signal: over.signal, killAfterMs: 1 }).catch(
      (error: unknown) => error,
    )
    await made(path)
    over.abort(new Error('enough'))
    while (kill.mock.calls.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    writeFileSync(go, '')
    expect(await running).toMatchObject({ code: 'PROGRAM_FAILED', message: expect.stringMatching(/code 3.*enough/) })
  })

  it('that leaves something behind which holds its output does not keep us', async () => {
    const path = join(folder, 'daemon')
    const leave = `const c = require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit', detached: true }); require('fs').writeFileSync(process.argv[1], String(c.pid)); process.exit(0)`
    await run(node(leave, path))
    const pid = Number(readFileSync(path, 'utf8'))
    expect(isRunning(pid)).toBe(true)
    process.kill(pid, 'SIGKILL')
  })

  it('is not started when it is not wanted before', async () => {
    const path = join(folder, 'never')
    const write = `require('fs').writeFileSync(process.argv[1], '')`
    await expect(run(node(write, path), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'PROGRAM_FAILED',
    })
    expect(existsSync(path)).toBe(false)
  })
})
