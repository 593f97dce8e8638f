import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { openFiles } from '@reprise/adapter-fs'
import { openRun, type RunId } from '@reprise/core'
import { TestFolders } from '@reprise/test-fleet'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { defineCommand } from '../src/command.js'
import { wantedAt } from '../src/complete/candidates.js'
import { main } from '../src/complete/complete.js'
import { lookUp } from '../src/complete/look-up.js'
import { completionScripts } from '../src/complete/scripts.js'
import { shellQuoted, shellWords } from '../src/complete/shell-words.js'
import type { Entry } from '../src/registry.js'
import { command, reprise } from './reprise.js'

const folders = new TestFolders()
/** However slow this machine is. */
const unhurried = { REPRISE_COMPLETE_MS: '30000' }
const runId = 'build:main@1' as RunId
const taskId = `it's "5 $(x)" é`
let folder = ''

beforeAll(async () => {
  folder = await folders.make()
  const adapter = await openFiles({ dir: join(folder, '.reprise') })
  const run = await openRun({ adapter, runId, goal: 'be completed', successCriteria: [] })
  await run.dispatch([{ taskId, kind: 'k', input: null }])
  await run.close()
  await adapter.close()
})
afterAll(() => folders.removeAll())

/** What the command says to a shell, in this process. */
async function complete(args: readonly string[], cwd = folder): Promise<string[]> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const world = { cwd, env: unhurried, stdin: new PassThrough(), stdout, stderr, signal: new AbortController().signal }
  expect(await main({ ...world, args: ['__complete', ...args] })).toBe(0)
  expect(stderr.read()).toBe(null)
  return String(stdout.read() ?? '')
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t')[0] ?? '')
}
const words = (...all: string[]): Promise<string[]> => complete(['zsh', '--', ...all])

describe('what a shell is told', () => {
  it('is commands, options that are still missing, values, ids of runs, or that files are wanted', async () => {
    expect(await words('st')).toContain('status')
    expect(await words('worker', '--ki')).toEqual(['--kind', '--kill-after'])
    expect(await words('worker', '--once', '--on')).toEqual([])
    expect(await words('worker', '--kind', 'a', '--kin')).toEqual(['--kind'])
    expect(await words('status', '--color', 'a')).toEqual(['auto', 'always'])
    expect(await words('status', '--color=n')).toEqual(['--color=never'])
    expect(await words('completion', '')).toEqual(['bash', 'zsh', 'fish'])
    expect(await words('status', '')).toEqual([runId])
    expect(await words('status', 'no')).toEqual([])
    expect(await words('status', runId, '')).toEqual([])
    expect(await words('worker', '--sign', '')).toEqual([':file'])
    expect(await words('worker', '--cwd', '')).toEqual([':folder'])
    expect(await words('worker', '--exec', '')).toEqual([])
    expect(await words('worker', '--', '--')).toEqual([])
  })

  it('comes from the place that the line names', async () => {
    const other = await folders.make()
    expect(await complete(['zsh', '--', 'status', ''], other)).toEqual([])
    expect(await complete(['zsh', '--', 'status', '--at', join(folder, '.reprise'), ''], other)).toEqual([runId])
    expect(await complete(['zsh', '--', 'status', `--at=${join(folder, '.reprise')}`, ''], other)).toEqual([runId])
  })

  it('is nothing where there is nothing, or nonsense, and nothing is made', async () => {
    const empty = await folders.make()
    mkdirSync(join(empty, '.reprise'))
    expect(await complete(['zsh', '--', 'status', ''], empty)).toEqual([])
    expect(readdirSync(join(empty, '.reprise'))).toEqual([])
    for (const nonsense of [
      ['no', 'such', ''],
      ['status', '--at', 'ftp://x', ''],
      ['status', '--', '--'],
      ['--', '-'],
    ]) {
      expect(await words(...nonsense)).toEqual([])
    }
    expect(await complete(['bash'])).toContain('status')
    expect(await complete([])).toContain('status')
  })

  it('is the tasks of the run that is named before, those that are open first', async () => {
    const task = defineCommand({
      ...{ args: { RUN: { says: '', what: 'run' }, TASK: { says: '', what: 'task' } }, options: {}, details: '' },
      ...{ examples: [], output: 'document', schema: z.null(), run: async () => null, human: () => '' },
    })
    const entry: Entry = { name: 'task', group: 'look', says: '', load: async () => task }
    const at = join(folder, '.reprise')
    const wanted = await wantedAt(['task', '--at', at, runId, "it's"], [entry])
    if (wanted.wants !== 'task') throw new Error(wanted.wants)
    const silent = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
    const world = { args: [], cwd: '/', env: {}, signal: new AbortController().signal, ...silent }
    expect(await lookUp(world, wanted)).toEqual([{ value: taskId, says: 'out' }])
    expect(await lookUp(world, { ...wanted, value: 'other' })).toEqual([])
    expect(await lookUp(world, { ...wanted, given: { ...wanted.given, args: ['no-such-run'] } })).toEqual([])
  })

  it('does not wait for a backend that does not answer', async () => {
    const deaf = createServer(() => {}).listen(0, '127.0.0.1')
    onTestFinished(() => void deaf.close())
    await new Promise((resolve) => deaf.once('listening', resolve))
    const { port } = deaf.address() as { port: number }
    const ended = await reprise(['__complete', 'zsh', '--', 'status', '--at', `redis://127.0.0.1:${port}`, ''])
    expect(ended).toMatchObject({ code: 0, stdout: '', stderr: '' })
  })
})

describe('words of a command line', () => {
  it.each([
    ['a b', ['a', 'b']],
    ['a b ', ['a', 'b', '']],
    [`a 'b c' "d \\"e" f\\ g`, ['a', 'b c', 'd "e', 'f g']],
    [`a ''`, ['a', '']],
    ['', ['']],
  ])('of %j are read as a shell reads them', (line, expected) => {
    expect(shellWords(line).words).toEqual(expected)
  })

  it('say whether quotes are open', () => {
    expect(shellWords("a 'b c")).toEqual({ words: ['a', 'b c'], inQuotes: true })
  })

  it('are quoted so that a shell gives them back', () => {
    for (const word of [taskId, '~', 'a*b?', '$HOME;`x`', '#no', 'ä 😀']) {
      const said = spawnSync('/bin/sh', ['-c', `printf %s ${shellQuoted(word)}`], { encoding: 'utf8' })
      expect(said.stdout).toBe(word)
      expect(shellWords(shellQuoted(word)).words).toEqual([word])
    }
  })
})

const isInstalled = (shell: string): boolean => spawnSync(shell, ['-c', 'exit 0']).status === 0

const starts = {
  bash: ['bash', '--norc', '--noprofile', '-i'],
  zsh: ['zsh', '-f', '-i'],
  fish: ['fish', '--no-config', '-i'],
} as const
const loads = {
  bash: 'eval "$(reprise completion bash)"',
  zsh: 'autoload -Uz compinit; compinit -D -u; eval "$(reprise completion zsh)"',
  fish: 'reprise completion fish | source',
}

describe.each(['bash', 'zsh', 'fish'] as const)('completion for %s', { timeout: 60_000 }, (shell) => {
  it('is a script that this shell can read, and that asks the command', async () => {
    const script = completionScripts[shell]
    expect(script).toContain(`__complete ${shell}`)
    if (!isInstalled(shell)) return
    const file = join(await folders.make(), 'script')
    writeFileSync(file, script)
    expect(spawnSync(shell, ['-n', file], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
  })

  it('completes what is typed on a terminal', async (context) => {
    context.skip(!isInstalled(shell), `${shell} is not installed here`)
    const place = await folders.make()
    const out = join(place, 'args')
    // The command itself where it is asked; where it would be run, what it was given is kept.
    const program = `#!/bin/sh\ncase $1 in __complete | completion) exec "${process.execPath}" "${command}" "$@" ;; esac\nprintf '%s\\n' "$@" > "${out}.new" && mv "${out}.new" "${out}"\n`
    writeFileSync(join(place, 'reprise'), program)
    chmodSync(join(place, 'reprise'), 0o755)
    const [name, ...args] = starts[shell]
    const env = {
      ...process.env,
      ...unhurried,
      PATH: `${place}:${process.env.PATH}`,
      HOME: place,
      TERM: 'dumb',
      PS1: '> ',
      LC_ALL: 'C.UTF-8',
    }
    const terminal = spawn('script', ['-qec', [name, ...args].join(' '), '/dev/null'], { cwd: folder, env })
    onTestFinished(() => void terminal.kill('SIGKILL'))
    let shown = ''
    for (const stream of [terminal.stdout, terminal.stderr]) stream.on('data', (text) => (shown += text))
    terminal.stdin.write(`${loads[shell]}\n`)
    terminal.stdin.write('reprise statu\tbui\t\n')
    while (!existsSync(out)) await new Promise((resolve) => setTimeout(resolve, 20))
    expect(readFileSync(out, 'utf8'), shown).toBe(`status\n${runId}\n`)
    terminal.stdin.end('exit\n')
  })
})
