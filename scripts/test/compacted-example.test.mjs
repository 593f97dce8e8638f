import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decide } from '../../examples/02-compacted-coordinator/decide.mjs'

const main = join(import.meta.dirname, '../../examples/02-compacted-coordinator/main.mjs')

let root = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'reprise-example-'))
  mkdirSync(join(root, 'tmp'))
  const documents = {
    'README.md': 12,
    'docs/short.md': 3,
    'docs/long.md': 345,
    'packages/a/README.md': 60,
    'notes.txt': 999,
  }
  for (const [path, words] of Object.entries(documents)) {
    mkdirSync(dirname(join(root, 'files', path)), { recursive: true })
    writeFileSync(join(root, 'files', path), 'word\n'.repeat(words))
  }
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** Starts the example as a visitor would. @param {string[]} args */
function start(...args) {
  const child = spawn(process.execPath, [main, '--dir', join(root, 'files'), ...args], {
    env: { ...process.env, TMPDIR: join(root, 'tmp') },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  /** @type {Promise<{ code: number | null, output: string }>} */
  const end = new Promise((resolve) => child.once('close', (code) => resolve({ code, output })))
  return { child, end }
}

/** @param {string} output @param {string} row */
const rowOf = (output, row) => new RegExp(`^  ${row}  +(.*)$`, 'm').exec(output)?.[1]

describe('the example of a coordinator that forgets everything', () => {
  it('ends its run, each round in another process, and decides again what had become stale', async () => {
    const { code, output } = await start().end
    const pids = [...output.matchAll(/^round \d+, process (\d+)$/gm)].map(([, pid]) => pid)
    expect(new Set(pids).size).toBe(pids.length)
    expect(pids.length).toBeGreaterThanOrEqual(4)
    const [before = '', after = ''] = output.split('refused with STALE_CONTEXT')
    expect(before).toContain('what it was told:\n    | RUN words at version ')
    expect(after).toMatch(/^.*\n +since then, version \d+: a receipt came for task list:.*\n.*decides again\n/)
    expect(output.split('STALE_CONTEXT').length).toBe(2)
    expect(output).toContain('complete: the longest document is docs/long.md with 345 words')
    expect(rowOf(output, 'rounds, each another process')).toBe(`${pids.length}, ${pids.length} coordinators in the log`)
    expect(rowOf(output, 'documents counted')).toBe('4')
    expect(rowOf(output, 'accepted or dispatched twice')).toBe('nothing')
    expect(rowOf(output, 'another count by this program')).toBe('agrees')
    expect(rowOf(output, 'no document is longer')).toBe('true')
    expect(code).toBe(0)
    expect(readdirSync(join(root, 'tmp'))).toEqual([])
  }, 90_000)

  it('ends with exit code 1 and the reason when a coordinator cannot be told what it must', async () => {
    const { code, output } = await start('--budget', '10').end
    expect(output).toMatch(
      /it cannot go on: A briefing of run words does not fit into 10 tokens: .* Allow at least that many/,
    )
    expect(code).toBe(1)
  })

  it('refuses a budget that is none with exit code 2', async () => {
    const { code, output } = await start('--budget', 'some').end
    expect(output).toContain('--help lists the options')
    expect(code).toBe(2)
  })

  it('leaves no folder and no process behind when it is interrupted', async () => {
    const { child, end } = start()
    child.stdout.on('data', (text) => String(text).includes('round 1') && child.kill('SIGINT'))
    const { code, output } = await end
    expect(code).toBe(130)
    expect(readdirSync(join(root, 'tmp'))).toEqual([])
    const pids = [...output.matchAll(/process (\d+)$/gm)].map(([, pid]) => Number(pid))
    expect(pids.filter(isRunning)).toEqual([])
  })
})

describe('its decision', () => {
  const nothing = { total: 0, items: [] }
  const came = (/** @type {string} */ json, /** @type {number} */ length) => ({
    total: 1,
    items: [{ taskId: 'count:a.md', kind: 'count', output: { json, length } }],
  })
  /** @param {object} parts */
  function told(parts) {
    /** @type {unknown} as much of a briefing as it reads */
    const briefing = {
      ...{ budgets: { tasks: { used: 4 } }, notes: nothing, received: nothing, stopped: nothing, out: nothing },
      ...{ planned: nothing, criteria: [{ evidence: null }], ...parts },
    }
    return /** @type {import('@reprise/core').Briefing} */ (briefing)
  }

  it('is none when an output that it must judge was cut off', () => {
    expect(decide(told({ received: came('{"wor', 12) }))).toBe(null)
  })

  it('is none when what it has noted was left out or cut off', () => {
    const received = came('{"words":7}', 11)
    expect(decide(told({ received, notes: { total: 3, items: [] } }))).toBe(null)
    const cut = { text: 'note: longest so far: {"path":"a.m…' }
    expect(decide(told({ received, notes: { total: 1, items: [cut] } }))).toBe(null)
  })

  it('follows from what it was told: what came back, and what it had noted', () => {
    const notes = { total: 1, items: [{ text: 'note: longest so far: {"path":"b.md","words":9}' }] }
    const decision = decide(told({ received: came('{"words":7}', 11), notes, out: { total: 1, items: [] } }))
    expect(decision?.commands).toEqual([{ type: 'accept', taskId: 'count:a.md' }])
  })
})

/** @param {number} pid */
function isRunning(pid) {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
