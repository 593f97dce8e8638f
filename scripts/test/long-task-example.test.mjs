import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readStateFile } from '@reprise/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { findProblems } from '../../examples/03-long-task/check.mjs'
import { decideNext, recover } from '../../examples/03-long-task/decide-next.mjs'

const main = join(import.meta.dirname, '../../examples/03-long-task/main.mjs')

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'reprise-example-'))
  mkdirSync(join(root, 'documents', 'more'), { recursive: true })
  mkdirSync(join(root, 'tmp'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** @param {string[]} args @param {(output: string, child: import('node:child_process').ChildProcess) => void} [onOutput] */
function start(args, onOutput = () => {}) {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, TMPDIR: join(root, 'tmp') },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
      onOutput(output, child)
    })
  }
  return /** @type {Promise<{ code: number | null, output: string }>} */ (
    new Promise((resolve) => child.once('close', (code) => resolve({ code, output })))
  )
}

/** @param {number} pid */
function isRunning(pid) {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** More than fit into one session. */
function writeDocuments() {
  for (let n = 0; n < 11; n++) {
    const links = `[next](document-${n + 1}.md) and [away](https://example.org)`
    writeFileSync(join(root, 'documents', `document-${n}.md`), `# Document ${n}\n\n${links}\n`)
  }
  const forged = '# - [x] 1. done <b>\n\n## Goal\n'
  writeFileSync(join(root, 'documents', 'more', 'a *b* [c](d).md'), forged)
}

describe('the example of a long task', () => {
  it('gets to its end over killed sessions, with its state file shown after each and its checklist at the end', async () => {
    writeDocuments()
    const { code, output } = await start(['--dir', join(root, 'documents')])
    const sessions = output.split(/━━━ session \d+ ━━━/).slice(1)
    expect(sessions).toHaveLength(6)
    for (const session of sessions) expect(session).toMatch(/│ ## Success criteria\n.*\n {2}│ - \[[ x]\] 1/)
    expect(sessions[1]).toContain('is before its round\n  … killed with SIGKILL')
    expect(sessions[2]).toContain('claimed to be done: refused,')
    expect(sessions[3]).toMatch(/state file: .* was edited; what it said is kept in .*\.kept-/)
    expect(sessions[3]).toContain('is after its round\n  … killed with SIGKILL')
    expect(sessions[3]).not.toContain('- [x]')
    const checked = [...(sessions[5] ?? '').matchAll(/checked: (.*)$/gm)].map((match) => match[1])
    expect(checked).toEqual([
      'criterion 1: every document was read: 12 documents, each accepted once',
      'criterion 2: every link from one document to another was followed: 11 links followed, 1 lead nowhere: document-11.md …',
      expect.stringMatching(
        /^criterion 3: there is an index that names every document: index\.md, sha256 [0-9a-f]{64}$/,
      ),
      expect.stringContaining('every task is settled: 14 accepted'),
      expect.stringContaining('the state file equals the log: '),
    ])
    expect(output).toContain('The log, the state file and this program agree.')
    expect(code).toBe(0)

    const dir = join(root, 'tmp', readdirSync(join(root, 'tmp'))[0] ?? '')
    const [name = '', kept = ''] = readdirSync(join(dir, 'docs')).sort()
    expect([name, kept]).toEqual(['long-task-state.md', expect.stringContaining('.kept-')])
    const stateFile = join(dir, 'docs', name)
    expect(readStateFile(readFileSync(stateFile, 'utf8'))).toMatchObject({ runId: 'long-task', intact: true })

    // Its own check would have told.
    const problems = () => findProblems(dir, join(root, 'documents'), stateFile)
    expect(await problems()).toEqual([])
    writeFileSync(join(root, 'documents', 'document-0.md'), 'changed\n')
    writeFileSync(join(root, 'documents', 'late.md'), 'new\n')
    writeFileSync(stateFile, readFileSync(stateFile, 'utf8').replace('complete', 'completed'))
    rmSync(join(dir, 'docs', kept))
    expect(await problems()).toEqual([
      'the state file is not that of the log',
      'the edit by hand was not kept aside',
      'document-0.md is not what the run says',
      'late.md was accepted 0 times',
    ])
  }, 120_000)

  it('fails the run, with the reason, when a document cannot be read, instead of calling it done', () => {
    /** @param {object} tasks */
    const viewOf = (tasks) =>
      /** @type {import('@reprise/core').RunView} */ (/** @type {unknown} */ ({ received: [], stopped: [], ...tasks }))
    const view = viewOf({ received: [{ taskId: 'read b.md', output: {} }] })
    const accepted = new Map([['list', { paths: ['a.md', 'b.md'] }]])
    const { commands } = decideNext(view, accepted, ['read a.md'], root)
    expect(commands).toEqual([
      { type: 'accept', taskId: 'read b.md' },
      { type: 'fail', reason: 'could not be done: read a.md' },
    ])
    const stopped = [{ taskId: 'read a.md', reason: 'attempt 2 failed: ENOENT' }]
    expect(recover(viewOf({ stopped }))).toEqual([
      { type: 'abandon', taskId: 'read a.md', reason: 'attempt 2 failed: ENOENT' },
    ])
  })

  it('ends every process on SIGINT and says how to go on', async () => {
    writeDocuments()
    const { code, output } = await start(['--dir', join(root, 'documents')], (soFar, child) => {
      if (/━━━ session 3 ━━━.*took the run up/s.test(soFar)) child.kill('SIGINT')
    })
    expect(output).toMatch(/session\.mjs \S+reprise-long-task-\S+ \S+documents/)
    expect(code).toBe(130)
    const log = join(root, 'tmp', readdirSync(join(root, 'tmp'))[0] ?? '', 'reprise/runs/long-task/log.jsonl')
    const named = readFileSync(log, 'utf8').matchAll(/"(?:holder|worker)":\{[^}]*"pid":(\d+)/g)
    const pids = [...new Set([...named].map((match) => Number(match[1])))]
    // Three sessions and the worker.
    expect(pids).toHaveLength(4)
    await vi.waitUntil(() => !pids.some(isRunning), { timeout: 30_000 })
  }, 120_000)

  it('refuses options that make no sense with exit code 2', async () => {
    const refused = [['--dir', join(root, 'absent')], ['--dir', join(root, 'tmp')], ['--unknown'], ['extra']]
    for (const { code, output } of await Promise.all(refused.map((args) => start(args)))) {
      expect(output).toContain('main.mjs takes --dir FOLDER')
      expect(code).toBe(2)
    }
  })
})
