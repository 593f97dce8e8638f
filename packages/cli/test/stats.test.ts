import { join } from 'node:path'
import { TestFolders } from '@reprise/test-fleet'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { stats } from '../src/commands/stats.js'
import { displayWidth } from '../src/output/display-width.js'
import { sparkline } from '../src/output/sparkline.js'
import { drawnRun, goldenRun, plainNames, putLines } from './drawn-run.js'
import { repriseJson } from './reprise.js'
import { inTerminal, withoutColours } from './terminal.js'

// Some start processes, which takes as long as a busy machine makes them take.
vi.setConfig({ testTimeout: 120_000 })
const folders = new TestFolders()
afterEach(() => folders.removeAll())

async function drawnFolder(names = plainNames): Promise<string> {
  const dir = join(await folders.make(), '.reprise')
  await putLines(dir, goldenRun, drawnRun(names))
  return dir
}

describe('reprise stats', () => {
  it('gives latencies, attempts and spend, with buckets, as documented', async () => {
    const { code, json } = await repriseJson(['stats', goldenRun, '--by', 'worker', '--at', await drawnFolder()])
    expect(code).toBe(0)
    expect(stats.schema.parse(json)).toEqual(json)
    expect(json).toMatchObject({
      ...{ tasks: { accepted: 3, cancelled: 1, abandoned: 0, open: 2 }, by: 'worker', takeOvers: 1 },
      attempts: { dispatched: 7, rejected: 1, expired: 1 },
      refusals: { 'not-duplicate': 1 },
      total: { tokens: 40, costUsd: 2, durationMs: { count: 4, min: 1_900, max: 5_100 } },
    })
    expect(json.groups.map(({ name, accepted }: { name: string; accepted: number }) => [name, accepted])).toEqual([
      ['worker-1', 2],
      ['', 0],
      ['worker-2', 0],
      ['worker-3', 1],
    ])
  })

  it.each([40, 100])('fits a terminal of %i columns', async (columns) => {
    const args = ['stats', goldenRun, '--by', 'kind', '--at', await drawnFolder()]
    const { code, text } = await inTerminal(args, { columns })
    expect(code).toBe(0)
    await expect(withoutColours(text)).toMatchFileSnapshot(`golden/stats-${columns}.txt`)
    expect(
      withoutColours(text)
        .split('\n')
        .filter((line) => displayWidth(line) > columns),
    ).toEqual([])
  })

  it('refuses what it cannot tell apart by', async () => {
    const { code } = await inTerminal(['stats', goldenRun, '--by', 'colour', '--at', await drawnFolder()])
    expect(code).toBe(2)
  })
})

describe('a row of bars', () => {
  it('shows each bucket that is not empty, the fullest highest', () => {
    const buckets = [
      { from: 1, to: 1, count: 1 },
      { from: 2, to: 2, count: 1_000 },
      { from: 1_024, to: 1_100, count: 500 },
    ]
    const bars = sparkline(buckets, true)
    expect(bars).toMatch(/^▁.*█.*▄$/)
    expect([...bars].filter((sign) => sign !== ' ')).toHaveLength(3)
    expect(sparkline(buckets, false)).toMatch(/^[ .:=+*%#-]+$/)
    expect(sparkline([], true)).toBe('')
    expect(sparkline([{ from: 0, to: 0, count: 3 }], true)).toBe('█')
  })
})
