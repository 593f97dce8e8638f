import { describe, expect, it } from 'vitest'
import { statusOf } from '../src/coordinator/run-status.js'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import type { RunId } from '../src/protocol/ids.js'
import { bisect } from '../src/replay/bisect.js'
import { loadRunAt } from '../src/replay/load-run-at.js'
import { completedStory } from './golden-logs/golden-story.js'
import { adapterWith, forkedLines } from './moved-runs.js'
import { commitsOf, logOf, runId } from './replay-logs.js'

const { lines } = completedStory()
const commits = commitsOf(lines)
const total = commits.at(-1)?.version ?? 0
const log = logOf(lines)

describe('the first event at which a condition holds', () => {
  it('is found with its place and the run before and after it, at every version', async () => {
    for (let version = 1; version <= total; version++) {
      const { found, version: looked } = await bisect(log, runId, (state) => state.version === version)
      const commit = commits.find((each) => each.version >= version)
      const event = commit?.events[commit.events.length - 1 - (commit.version - version)]
      const statusAt = async (at: number) => statusOf((await loadRunAt(log, runId, { version: at })).state)
      const { index, at, actor, epoch } = commit ?? {}
      expect(found).toEqual({
        ...{ version, index, at, actor, epoch, event, broken: null },
        before: await statusAt(version - 1),
        after: await statusAt(version),
      })
      expect(looked).toBe(version)
    }
  })

  it('may be one that does not hold at the end, or did not hold all the time since', async () => {
    const isBlocked = await bisect(log, runId, ({ status }) => status === 'blocked')
    expect(isBlocked.found?.event.type).toBe('blocked')
    expect((await loadRunAt(log, runId, { back: 0 })).state.status).toBe('complete')
  })

  it('is asked about each event once, in order, with the state behind it, and not beyond the one that is found', async () => {
    const seen: string[] = []
    const { found } = await bisect(log, runId, (state, { type }, { index }) => {
      seen.push(`${state.version} ${type} ${index}`)
      return type === 'task-accepted'
    })
    const all = commits.flatMap(({ index, version, events }) =>
      events.map(({ type }, i) => `${version - events.length + i + 1} ${type} ${index}`),
    )
    expect(seen).toEqual(all.slice(0, found?.version))
    expect(found?.event.type).toBe('task-accepted')
  })

  it('is none if it never holds, after every event was looked at', async () => {
    expect(await bisect(log, runId, () => false)).toEqual({ found: null, version: total, commits: commits.length })
  })

  it('fails with what the condition throws, with RUN_UNKNOWN without a log, and with LOG_CORRUPT at a bad commit', async () => {
    const wrong = bisect(log, runId, () => {
      throw new Error('no such field')
    })
    await expect(wrong).rejects.toThrow('no such field')
    await expect(bisect(memoryAdapter().log, runId, () => true)).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
    const torn = logOf(lines.map((line, i) => (i === 7 ? line.replace('"v":1', '"v":9') : line)))
    await expect(bisect(torn, runId, () => false)).rejects.toMatchObject({ code: 'LOG_CORRUPT', details: { index: 7 } })
    expect((await bisect(torn, runId, ({ version }) => version === 3)).found?.version).toBe(3)
  })

  it('is not looked for in the log of another run, and is found in a fork before it was one', async () => {
    const [other, fork] = ['other' as RunId, 'fork-1' as RunId]
    const renamed = bisect(adapterWith(lines, other).log, other, ({ version }) => version === 3)
    await expect(renamed).rejects.toMatchObject({ code: 'RUN_MISMATCH' })
    const forked = adapterWith(await forkedLines(), fork).log
    expect((await bisect(forked, fork, ({ version }) => version === 3)).found?.version).toBe(3)
  })
})
