import { spawn } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { startNats, startRedis } from '@reprise/test-servers'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'

const main = join(import.meta.dirname, '../../examples/01-fleet/main.mjs')

/**
 * Loaded into every process of the example: workers open no file while a gate with its name, or with that of its
 * folder, is closed. So a run cannot be over before something happened to it, however slow we are and fast it is.
 */
const gatekeeper = `
import { existsSync } from 'node:fs'
import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

if (basename(process.argv[1]) === 'worker.mjs') {
  const { open } = promises
  promises.open = async (path, ...rest) => {
    const names = [basename(String(path)), basename(dirname(String(path)))]
    while (names.some((name) => existsSync(join(process.env.TEST_GATES, name)))) await sleep(5)
    return await open(path, ...rest)
  }
  syncBuiltinESMExports()
}
`

let root = ''
let files = ''
let gates = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'reprise-example-'))
  files = join(root, 'files')
  gates = join(root, 'gates')
  mkdirSync(files)
  mkdirSync(gates)
  writeFileSync(join(root, 'gatekeeper.mjs'), gatekeeper)
  mkdirSync(join(root, 'tmp'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** Enough of them, and large enough, that a kill hits the middle. @param {number} count */
function writeFiles(count) {
  for (let n = 0; n < count; n++) {
    const folder = join(files, `folder-${n % 7}`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `file-${n}.${['js', 'txt', 'bin'][n % 3]}`), `${'x'.repeat(n)}\n`.repeat(1 + (n % 50)))
  }
}

/** @param {string[]} names of files or folders */
function closeGates(...names) {
  for (const name of names) writeFileSync(join(gates, name), '')
}

/** @param {string[]} names */
function openGates(...names) {
  for (const name of names) rmSync(join(gates, name), { force: true })
}

/** Starts it with files that are not read before the processes have been killed. @param {string[]} args */
function startAndKill(...args) {
  writeFiles(900)
  // A third of the files is before the first gate, two thirds before the second, with room for those under way.
  closeGates('folder-4', 'folder-5', 'folder-6')
  const started = start('--kill', 'both', ...args)
  let output = ''
  started.child.stdout.on('data', (text) => {
    output += text
    if (output.includes('SIGKILL to coordinator')) openGates('folder-4', 'folder-5')
    if (output.includes('SIGKILL to worker')) openGates('folder-6')
  })
  return started
}

/** Starts the example as a visitor would. @param {string[]} args */
function start(...args) {
  const child = spawn(process.execPath, [main, '--dir', files, ...args], {
    env: {
      ...process.env,
      TMPDIR: join(root, 'tmp'),
      TEST_GATES: gates,
      NODE_OPTIONS: `--import ${pathToFileURL(join(root, 'gatekeeper.mjs')).href}`,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  /** @type {Promise<{ code: number | null, output: string }>} */
  const end = new Promise((resolve) => child.once('close', (code) => resolve({ code, output })))
  return { child, end }
}

/** Resolves when the log of the run has an event that fits. @param {(event: any) => boolean} fits */
async function logged(fits) {
  const deadline = Date.now() + 20_000
  while (Date.now() < deadline) {
    if (readEvents().some(fits)) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('the log never told of it')
}

/** What is in the log by now: its last line may still be on its way. @returns {any[]} */
function readEvents() {
  const parent = join(root, 'tmp')
  const [folder = ''] = readdirSync(parent).filter((name) => name.startsWith('reprise-fleet-'))
  // In the second place there is a copy, once the run has ended, if the run lives on a server.
  const path = ['runs/fleet/log.jsonl', 'log.jsonl'].map((name) => join(parent, folder, name)).find(existsSync)
  try {
    return readFileSync(path ?? '', 'utf8')
      .split('\n')
      .slice(0, -1)
      .flatMap((line) => JSON.parse(line).commit.events)
  } catch {
    return []
  }
}

/** @param {string} output @param {string} row */
const rowOf = (output, row) => new RegExp(`^  ${row}  +(.*)$`, 'm').exec(output)?.[1]

/** Process ids that the log of the run names and that still run. */
function survivors() {
  const holders = readEvents().flatMap((event) => [event.data.holder?.pid, event.data.receipt?.worker.pid])
  return [...new Set(holders)].filter((pid) => {
    try {
      return pid !== undefined && process.kill(pid, 0)
    } catch {
      return false
    }
  })
}

/** Nine hundred files were read once although two processes were killed. @param {{ code: number | null, output: string }} end */
function expectEverythingOnce({ code, output }) {
  for (const role of ['coordinator', 'worker']) {
    const story = `SIGKILL to ${role} (\\d+)\\n[^]*${role} \\1 died of SIGKILL; the same command has started ${role} \\d+`
    expect(output).toMatch(new RegExp(story))
  }
  expect(rowOf(output, 'files')).toBe('900 of 3 types')
  expect(rowOf(output, 'accepted exactly once')).toBe('yes')
  expect(rowOf(output, 'independent re-read agrees')).toBe('yes')
  expect(rowOf(output, 'log verified')).toMatch(/^yes, \d+ commits, version [\d,]+$/)
  expect(rowOf(output, 'kill → first new decision')).toMatch(/^\d+ ms, process start included$/)
  expect(code).toBe(0)
  expect(survivors()).toEqual([])
}

describe('the fleet example', () => {
  it('reads everything once although its coordinator and a worker are killed', async () => {
    expectEverythingOnce(await startAndKill().end)
  })

  it.each([
    ['redis', startRedis],
    ['nats', startNats],
  ])(
    'does the same over a %s server that somebody runs',
    async (adapter, startServer) => {
      const server = await startServer({ private: true })
      onTestFinished(() => server.stop())
      const end = await startAndKill('--adapter', adapter, '--server', server.url).end
      expectEverythingOnce(end)
      expect(end.output).toContain(`the run lives in ${adapter} at 127.0.0.1:${server.port}, where its data stays`)
    },
    90_000,
  )

  it('ends with exit code 1 and the name of a file that is not what the fleet read', async () => {
    writeFiles(900)
    const early = 'folder-0/file-0.js'
    closeGates('folder-6')
    const { end } = start('--kill', 'both')
    await logged((event) => event.type === 'task-accepted' && event.data.taskId === early)
    appendFileSync(join(files, early), 'changed')
    openGates('folder-6')
    const { code, output } = await end
    expect(rowOf(output, 'independent re-read agrees')).toBe('no')
    expect(output).toContain(`${early} is not what the fleet read`)
    expect(code).toBe(1)
  })

  it('abandons a file that is gone, with the reason, and agrees with itself about that', async () => {
    writeFiles(900)
    const last = 'the-last-one.txt'
    writeFileSync(join(files, last), 'read me')
    closeGates(last)
    const { end } = start('--kill', 'none')
    await logged((event) => event.type === 'run-opened')
    rmSync(join(files, last))
    openGates(last)
    const { code, output } = await end
    expect(rowOf(output, 'could not be read')).toBe('1')
    expect(output).toContain(`${last}: attempt 1 failed: it cannot be read (ENOENT)`)
    expect(rowOf(output, 'accepted exactly once')).toBe('yes')
    expect(code).toBe(0)
  })

  it('takes any file: empty, without an end of line, one long line, with an odd name, behind a link', async () => {
    writeFileSync(join(files, 'empty'), '')
    writeFileSync(join(files, 'no-end.txt'), 'one\ntwo')
    writeFileSync(join(files, 'long.txt'), 'y'.repeat(3_000_000))
    writeFileSync(join(files, 'type:js'), 'its name is the id of another kind of task\n')
    writeFileSync(join(files, 'line\nfeed \u001b[31m.txt'), 'a\n')
    writeFileSync(Buffer.concat([Buffer.from(`${files}/`), Buffer.from([0x66, 0xff, 0xfe])]), 'its name is not UTF-8\n')
    symlinkSync('/etc/passwd', join(files, 'link'))
    symlinkSync('nowhere', join(files, 'broken'))
    const { code, output } = await start('--kill', 'none').end
    expect(output).toContain('3 paths are no legal task ids')
    expect(rowOf(output, 'files')).toMatch(/^6 of /)
    expect(rowOf(output, 'lines')).toBe('6')
    expect(rowOf(output, 'independent re-read agrees')).toBe('yes')
    expect(output).not.toContain('\u001b')
    expect(code).toBe(0)
  })

  it('stops every process on SIGINT and says how to go on', async () => {
    writeFiles(900)
    closeGates('folder-6')
    const { child, end } = start('--kill', 'none')
    await logged((event) => event.type === 'task-accepted')
    child.kill('SIGINT')
    const { code, output } = await end
    expect(output).toContain('Stopped by SIGINT')
    expect(output).toMatch(/coordinator\.mjs .*reprise-fleet-/)
    expect(code).toBe(130)
    expect(survivors()).toEqual([])
  })

  it('keeps a run in files there, whatever server the environment names', async () => {
    writeFiles(20)
    vi.stubEnv('REPRISE_SERVER', 'redis://127.0.0.1:9')
    onTestFinished(() => void vi.unstubAllEnvs())
    const { code, output } = await start('--adapter', 'files', '--kill', 'none', '--workers', '1').end
    expect(output).toContain('accepted exactly once       yes')
    expect(code).toBe(0)
  })

  it('takes the server that the environment names if it is of the kind that was asked for', async () => {
    writeFiles(1)
    vi.stubEnv('REPRISE_SERVER', 'redis://127.0.0.1:9')
    onTestFinished(() => void vi.unstubAllEnvs())
    const { code, output } = await start('--adapter', 'redis').end
    expect(output).toContain('Redis at 127.0.0.1:9 could not be reached')
    expect(output).toContain('No process was started. Is that server running')
    expect(code).toBe(1)
  })

  it('refuses options that make no sense with exit code 2', async () => {
    const refused = [
      ['--workers', '0'],
      ['--kill', 'everybody'],
      ['--dir', join(root, 'absent')],
      ['--unknown'],
      ['extra'],
      ['--adapter', 'kafka'],
      ['--server', 'http://127.0.0.1:6379'],
      ['--server', '127.0.0.1:6379'],
      ['--adapter', 'nats', '--server', 'redis://127.0.0.1:6379'],
      ['--adapter', 'files', '--server', 'nats://127.0.0.1:4222'],
    ]
    // All at once: one after the other takes a busy machine too long.
    for (const { code, output } of await Promise.all(refused.map((args) => start(...args).end))) {
      expect(output).toContain('--help lists the options')
      expect(code).toBe(2)
    }
    expect((await start().end).output).toContain('no regular file')
  })
})
