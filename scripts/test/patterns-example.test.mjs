import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it, onTestFinished, vi } from 'vitest'

const main = join(import.meta.dirname, '../../examples/04-patterns/main.mjs')
const stopWithParent = join(import.meta.dirname, '../../examples/01-fleet/stop-with-parent.mjs')

/** Starts the example as a visitor would. @param {(output: string, child: import('node:child_process').ChildProcess) => void} [onOutput] */
function start(onOutput = () => {}) {
  const folder = makeFolder()
  const child = spawn(process.execPath, [main], { env: { ...process.env, TMPDIR: folder } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
      onOutput(output, child)
    })
  }
  /** @type {Promise<{ code: number | null, output: string, left: string[] }>} */
  const end = new Promise((resolve) =>
    child.once('close', (code) => resolve({ code, output, left: readdirSync(folder) })),
  )
  return end
}

function makeFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'reprise-patterns-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** @param {number} pid */
function isRunning(pid) {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

it('the patterns example goes on in the middle of each pattern, dispatches and settles each task once', async () => {
  const { code, output, left } = await start()
  expect(output.match(/SIGKILL when .*; the same command again/g)).toHaveLength(4)
  expect(output).toMatch(/^ {2}allOf {5}(\d+) files have (\d+) lines; \2 if each is counted by itself$/m)
  // Told by three lives from the log alone, in the same words.
  expect(new Set(output.match(/^ {2}firstOf .*$/gm))).toHaveLength(1)
  expect(output).toContain('3 others cancelled')
  expect(output).toMatch(/398 numbers, 78 primes; (1\d\d) were settled before/)
  expect(output).toContain('verified, 5 coordinators')
  expect(output).toContain('each dispatched once and settled once: yes')
  expect(output).not.toContain('Error')
  expect(code).toBe(0)
  expect(left).toEqual([])
}, 120_000)

it('the patterns example leaves no process and no folder behind when it is interrupted', async () => {
  const { code, output, left } = await start((soFar, child) => {
    if (soFar.split('\ncoordinator ').length === 3) child.kill('SIGINT')
  })
  const pids = [...output.matchAll(/^(?:worker|coordinator) (\d+)$/gm)].map(([, pid]) => Number(pid))
  expect(pids).toHaveLength(3)
  expect(pids.filter(isRunning)).toEqual([])
  expect(output).not.toContain('Error')
  expect(left).toEqual([])
  expect(code).toBe(130)
})

it('a process of the examples ends although the program that started it was gone before it could listen for that', async () => {
  const script = join(makeFolder(), 'endless.mjs')
  writeFileSync(script, 'setInterval(() => {}, 1_000)')
  const execArgv = ['--import', pathToFileURL(stopWithParent).href]
  const code = `
    import { fork } from 'node:child_process'
    import { writeSync } from 'node:fs'
    const { pid } = fork(${JSON.stringify(script)}, { execArgv: ${JSON.stringify(execArgv)}, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    writeSync(1, String(pid))
    process.kill(process.pid, 'SIGKILL')`
  const parent = spawn(process.execPath, ['--input-type=module', '--eval', code])
  let said = ''
  parent.stdout.setEncoding('utf8').on('data', (text) => (said += text))
  await new Promise((resolve) => parent.once('close', resolve))
  const pid = Number(said)
  onTestFinished(() => void (isRunning(pid) && process.kill(pid, 'SIGKILL')))
  await vi.waitUntil(() => !isRunning(pid), { timeout: 20_000 })
}, 30_000)
