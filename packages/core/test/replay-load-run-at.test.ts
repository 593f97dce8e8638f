import { describe, expect, it } from 'vitest'
import { initialState, reduceEvent } from '../src/flow/reduce-event.js'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import type { CommitLog } from '../src/ports/commit-log.js'
import type { RunId } from '../src/protocol/ids.js'
import type { RunState } from '../src/protocol/state.js'
import { loadRunAt } from '../src/replay/load-run-at.js'
import type { Where } from '../src/replay/where.js'
import { dispatch, given, receipt } from './given-run.js'
import { completedStory } from './golden-logs/golden-story.js'
import { commitsOf, logOf, rewritten, runId } from './replay-logs.js'
import { backendWith, snapshotOf, stateText } from './snapshot-of.js'

const { lines } = completedStory()
const commits = commitsOf(lines)
const total = commits.at(-1)?.version ?? 0

/** What folding the first events one by one gives, as text. */
const states: string[] = [stateText(initialState())]
let folded: RunState = initialState()
for (const { at, events } of commits) {
  for (const event of events) {
    folded.at = at
    folded = reduceEvent(folded, event)
    states.push(stateText(folded))
  }
}

const at = async (where: Where) => loadRunAt(logOf(lines), runId, where)

/** A log that counts the lines that are taken from it, one per batch. */
function counted(from: readonly string[]): { log: CommitLog; read: () => number } {
  let read = 0
  const log = logOf(from)
  const lineByLine = async function* (id: RunId, fromIndex = 0) {
    for await (const batch of log.read(id, fromIndex)) {
      for (const line of batch) {
        read++
        yield [line]
      }
    }
  }
  return { log: { ...log, head: log.head.bind(log), read: lineByLine } as CommitLog, read: () => read }
}

describe('a run at some place of its log', () => {
  it('is what the events up to there give, at every version, also inside a commit', async () => {
    expect(commits.some(({ events }) => events.length > 2)).toBe(true)
    for (let version = 0; version <= total; version++) {
      const { state, last, basis } = await at({ version })
      expect(stateText(state)).toBe(states[version])
      expect(basis).toEqual({ snapshotCommits: 0, snapshotVersion: 0, dropped: null })
      const commit = commits.find((each) => each.version >= version)
      if (version === 0) expect(last).toBe(null)
      else {
        const behind = (commit?.version ?? 0) - version
        const { events = [], ...header } = commit ?? {}
        const { prev: _, ...place } = header as { prev?: string }
        expect(last).toEqual({ ...place, events: events.length, folded: events.length - behind })
      }
    }
  })

  it('is counted from the head, which is what was there when it was asked for', async () => {
    expect(stateText((await at({ back: 0 })).state)).toBe(states[total])
    expect(stateText((await at({ back: 1 })).state)).toBe(states[total - 1])
    expect((await at({ back: total })).state.version).toBe(0)
  })

  it('is what the commits up to a time give, the first later one excluded', async () => {
    const times = [...new Set(commits.map((commit) => commit.at))]
    expect(times.length).toBeGreaterThan(2)
    for (const time of times) {
      const { version } = commits.findLast((commit) => commit.at === time) ?? { version: -1 }
      expect(stateText((await at({ at: time })).state)).toBe(states[version])
      expect((await at({ at: new Date(time) })).state.version).toBe(version)
      expect((await at({ at: time.replace('Z', '+00:00') })).state.version).toBe(version)
    }
    expect((await at({ at: '2999-01-01T00:00:00.000Z' })).state.version).toBe(total)
  })

  it('ends at the first later commit when a clock went back, with a snapshot as without', async () => {
    const late = rewritten(
      lines,
      (all) => all,
      ({ index }) => ({ at: `2026-01-01T00:00:0${index === 3 ? 9 : 1}.000Z` }),
    )
    const backend = backendWith(runId, late)
    backend.snapshots.set(runId, [await snapshotOf(late)])
    const { log, snapshots } = memoryAdapter({ backend })
    for (const options of [{}, { snapshots }]) {
      const { state } = await loadRunAt(log, runId, { at: '2026-01-01T00:00:05.000Z' }, options)
      expect(state.version).toBe(commits[2]?.version)
    }
  })

  it.each([
    ['a version beyond the head', { version: total + 1 }, `has no version ${total + 1}: its log has ${total} events`],
    ['a place before the first event', { back: total + 1 }, `has no ${total + 1} events before its head`],
    ['a time before the run was opened', { at: '2025-12-31T23:59:59.999Z' }, 'its first commit is of 2026-01-01T00:00'],
  ])('is VERSION_UNKNOWN for %s, and says what there is', async (_, where, says) => {
    await expect(at(where)).rejects.toMatchObject({ code: 'VERSION_UNKNOWN' })
    await expect(at(where)).rejects.toThrow(says)
  })

  it.each([[{ version: -1 }], [{ version: 1.5 }], [{ back: Number.NaN }], [{ at: '2026-01-01' }], [{ at: 'now' }]])(
    'is INVALID_INPUT for %j, which is no place',
    async (where) => {
      await expect(at(where)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    },
  )

  it.each([[{ version: 0 }], [{ back: 0 }], [{ back: 1 }], [{ at: '2026-01-01T00:00:00.000Z' }]])(
    'is RUN_UNKNOWN without a log, asked for %j',
    async (where) => {
      const { log } = memoryAdapter()
      await expect(loadRunAt(log, runId, where)).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
    },
  )

  it('is RUN_MISMATCH in the log of another run', async () => {
    const other = 'run-2' as RunId
    const { log } = memoryAdapter({ backend: backendWith(other, lines) })
    await expect(loadRunAt(log, other, { version: 5 })).rejects.toMatchObject({ code: 'RUN_MISMATCH' })
  })

  it('reads nothing behind it, and checks everything before it', async () => {
    const torn = lines.map((line, i) => (i === 7 ? line.replace('"v":1', '"v":9') : line))
    const { log, read } = counted(torn)
    const version = commits[6]?.version ?? 0
    expect(stateText((await loadRunAt(log, runId, { version })).state)).toBe(states[version])
    expect(read()).toBe(7)
    for (const where of [{ version: version + 1 }, { back: 0 }]) {
      await expect(loadRunAt(log, runId, where)).rejects.toMatchObject({ code: 'LOG_CORRUPT', details: { index: 7 } })
    }
  })

  it('tells events that contradict each other from bytes that are wrong, and meets them only if they are before it', async () => {
    const wrong = rewritten(lines, (events, { index }) =>
      index === 8 ? [{ type: 'task-accepted', v: 1, data: { taskId: 'z', attempt: 1 } }] : events,
    )
    const before = commits[7]?.version ?? 0
    expect((await loadRunAt(logOf(wrong), runId, { version: before })).state.version).toBe(before)
    const failing = loadRunAt(logOf(wrong), runId, { version: before + 1 })
    await expect(failing).rejects.toThrow(/Commit 8 .* is intact, and its events contradict/)
  })

  it('begins with the newest snapshot that is not beyond it, whichever commit that is of', async () => {
    for (const [i, { version: kept }] of commits.entries()) {
      const backend = backendWith(runId, lines)
      backend.snapshots.set(runId, [await snapshotOf(lines.slice(0, i + 1))])
      const { log, snapshots } = memoryAdapter({ backend })
      for (const version of new Set([0, kept - 1, kept, Math.min(kept + 1, total), total])) {
        const { state, last, basis } = await loadRunAt(log, runId, { version }, { snapshots })
        expect(stateText(state)).toBe(states[version])
        expect(basis).toEqual({
          snapshotCommits: version >= kept ? i + 1 : 0,
          snapshotVersion: version >= kept ? kept : 0,
          dropped: null,
        })
        expect(last).toEqual((await at({ version })).last)
      }
      await expect(loadRunAt(log, runId, { version: total + 1 }, { snapshots })).rejects.toMatchObject({
        code: 'VERSION_UNKNOWN',
        details: { events: total },
      })
    }
  })

  it('reads only the commit of the snapshot where that is what was asked for', async () => {
    const { version = 0 } = commits[6] ?? {}
    const { log, read } = counted(lines)
    const backend = backendWith(runId, lines)
    backend.snapshots.set(runId, [await snapshotOf(lines.slice(0, 7))])
    const { snapshots } = memoryAdapter({ backend })
    await loadRunAt(log, runId, { version }, { snapshots })
    expect(read()).toBe(1)
  })

  it('leaves a snapshot of another history aside, and says why', async () => {
    const backend = backendWith(runId, lines)
    const other = given({}, dispatch('x'), receipt('x')).lines
    const options = { snapshots: memoryAdapter({ backend }).snapshots }
    for (const text of [await snapshotOf(other), 'no snapshot\n', (await snapshotOf(other)).slice(0, -9)]) {
      backend.snapshots.set(runId, [text])
      const { state, basis } = await loadRunAt(logOf(lines), runId, { version: total }, options)
      expect(stateText(state)).toBe(states[total])
      expect(basis).toMatchObject({ snapshotCommits: 0, dropped: expect.any(String) })
    }
  })
})
