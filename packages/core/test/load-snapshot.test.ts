import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { briefRun } from '../src/coordinator/brief-run.js'
import { type LoadedRun, loadRun, verifyRun } from '../src/coordinator/load-run.js'
import { loadSnapshot } from '../src/coordinator/load-snapshot.js'
import { snapshotDigestLine, snapshotPieces } from '../src/coordinator/snapshot-pieces.js'
import { captureState, type SnapshotPosition, stateVersion } from '../src/flow/snapshot-text.js'
import { encodeCommit } from '../src/log/commit-record.js'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import type { MemoryBackend } from '../src/memory/memory-backend.js'
import type { SnapshotStore } from '../src/ports/snapshot-store.js'
import { RepriseError } from '../src/protocol/errors.js'
import type { RunId } from '../src/protocol/ids.js'
import type { RunState } from '../src/protocol/state.js'
import { dispatch, given } from './given-run.js'
import { completedStory } from './golden-logs/golden-story.js'
import { backendWith, replay, snapshotOf, stateText } from './snapshot-of.js'

const runId = 'run-1' as RunId
const { lines } = completedStory()
const half = Math.floor(lines.length / 2)

/** Loads what a backend holds, and says how that was done. */
async function load(backend: MemoryBackend, snapshots?: SnapshotStore): Promise<LoadedRun> {
  const adapter = memoryAdapter({ backend })
  return await loadRun(adapter.log, runId, { snapshots: snapshots ?? adapter.snapshots })
}

/** The log of the story, and this beside it. */
function backendOf(snapshot: string, from: readonly string[] = lines): MemoryBackend {
  const backend = backendWith(runId, from)
  backend.snapshots.set(runId, [snapshot])
  return backend
}

/** A short log, of which snapshots are small. */
const few = given({}, dispatch('a')).lines

/** Why the snapshot of a backend is not used; `null` if it is. */
const doubtOf = (backend: MemoryBackend): Promise<string | null> =>
  loadSnapshot(memoryAdapter({ backend }).snapshots, runId).then(
    () => null,
    (error: Error) => error.message.slice(0, 200),
  )

/** The snapshot of a library that knows one event more, to which the state has the same form. */
async function keptByLaterLibrary(position: SnapshotPosition, state: RunState, event: string): Promise<string> {
  const pieces: string[] = []
  for await (const piece of snapshotPieces(position, captureState(state), () => Promise.resolve())) pieces.push(piece)
  const [first = '', ...rest] = pieces.join('').split('\n').slice(0, -2)
  const header = JSON.parse(first)
  const text = `${[JSON.stringify({ ...header, events: [...(header.events ?? []), event] }), ...rest].join('\n')}\n`
  return `${text}${snapshotDigestLine(createHash('sha256').update(text))}\n`
}

function expectWhole(loaded: LoadedRun, from: readonly string[] = lines): void {
  const whole = replay(from)
  expect(stateText(loaded.state)).toBe(stateText(whole.state))
  const { commits, head, first } = whole
  expect(loaded).toMatchObject({ commits, head, first })
}

describe('a run that is loaded with a snapshot', () => {
  it('is what its whole log gives, whichever commit the snapshot is of', async () => {
    for (let count = 1; count <= lines.length; count++) {
      const loaded = await load(backendOf(await snapshotOf(lines.slice(0, count))))
      expectWhole(loaded)
      expect(loaded.basis).toMatchObject({ snapshotCommits: count, dropped: null })
    }
  })

  it('reads the commit that the snapshot is of and what is behind it, and nothing else', async () => {
    const backend = backendOf(await snapshotOf(lines.slice(0, half)))
    // What is not read cannot be missed: only `verifyRun` and a whole replay find out.
    const records = [...backend.recordsOf(runId)]
    records[1] = { ...records[1]!, text: records[1]!.text.replace('"v":1', '"v":9') }
    backend.runs.records.set(runId, records)
    const loaded = await load(backend)
    expect(loaded.basis.snapshotCommits).toBe(half)
    const { log } = memoryAdapter({ backend })
    expect(await verifyRun(log, runId)).toMatchObject({ ok: false, firstBadCommit: 1 })
    await expect(loadRun(log, runId)).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
  })

  it('is the same after any byte of the snapshot was changed, and says that it was left aside', async () => {
    const text = Buffer.from(await snapshotOf(few.slice(0, 2)))
    for (let at = 0; at < text.length; at++) {
      const mutant = Buffer.from(text)
      mutant[at] = mutant[at]! ^ (1 << (at % 8))
      const backend = backendOf(mutant.toString(), few)
      // Any doubt is the same to `loadRun`: see below.
      expect([at, await doubtOf(backend)]).not.toEqual([at, null])
      if (at % 50 > 0) continue
      const loaded = await load(backend)
      expectWhole(loaded, few)
      expect(loaded.basis).toMatchObject({ snapshotCommits: 0, dropped: await doubtOf(backend) })
    }
  })

  it('is the same after the snapshot was cut off anywhere, or goes on', async () => {
    const text = await snapshotOf(few.slice(0, 2))
    for (let end = 1; end < text.length; end++) {
      expect([end, await doubtOf(backendOf(text.slice(0, end), few))]).not.toEqual([end, null])
    }
    for (const more of [' ', '\n', text, '{"fields":{"mode":"closed"}}\n']) {
      const loaded = await load(backendOf(text + more, few))
      expectWhole(loaded, few)
      expect(loaded.basis).toMatchObject({ snapshotCommits: 0 })
    }
  })

  it.each([
    ['of commits that the log does not have', () => snapshotOf(lines), /the log ends before commit/],
    ['of another history', () => snapshotOf(given({}, dispatch('z')).lines), /is another than the one/],
    [
      'of a later format',
      async () => (await snapshotOf(lines.slice(0, 3))).replace('{"snapshot":1', '{"snapshot":2'),
      /another version/,
    ],
    [
      'of a later state',
      async () =>
        (await snapshotOf(lines.slice(0, 3))).replace(`"state":${stateVersion}`, `"state":${stateVersion + 1}`),
      /another version/,
    ],
    ['of another run', async () => (await snapshotOf(lines.slice(0, 3))).replaceAll('run-1', 'run-2'), /another run/],
    ['that is no snapshot', async () => 'hello\n', /JSON/],
    ['without its end', async () => '\n'.repeat(3), /JSON/],
  ])('leaves one aside %s, and says why', async (_, snapshot, why) => {
    const log = lines.slice(0, half)
    const loaded = await load(backendOf(await snapshot(), log), undefined)
    expectWhole(loaded, log)
    expect(loaded.basis).toMatchObject({ snapshotCommits: 0, dropped: expect.stringMatching(why) })
  })

  it.each(['\u001b]0;canary\u0007\n', '"canary"\n', '["canary"]\n', '{"canary":1}\n'])(
    'tells nothing of what stands in one that is damaged: %j',
    async (snapshot) => {
      const { basis } = await load(backendOf(snapshot))
      expect(basis.dropped).toMatch(/^(it has a line|another version)/)
      expect(basis.dropped).not.toContain('canary')
    },
  )

  it.each(['task-annotated@1', 'note-added@2'])(
    'is refused, as its log is, if a later library kept the snapshot behind an event %s that this one does not know',
    async (name) => {
      const [type, v] = name.split('@') as [string, string]
      const older = replay(lines.slice(0, half))
      const { commits: index, head: prev, first, state } = older
      const version = ++state.version
      const header = { index, version, epoch: state.epoch, at: state.at, actor: 'later', prev }
      const { text, hash } = encodeCommit(header, [JSON.stringify({ type, v: Number(v), data: {} })])
      const position = { commits: index + 1, version, head: hash, first: first ?? '' }
      const snapshot = await keptByLaterLibrary(position, state, name)
      const backend = backendOf(snapshot, [...lines.slice(0, half), text])
      await expect(load(backend)).rejects.toMatchObject({ code: 'LOG_TOO_NEW', details: { type, v: Number(v) } })
    },
  )

  it('takes no longer for a long line than for many short ones', { timeout: 60_000 }, async () => {
    const piece = 'x'.repeat(4096)
    const endless = async function* () {
      for (;;) yield piece
    }
    // Put together anew for each piece, these 64 MiB would be copied eight thousand times.
    const loaded = await load(backendOf(''), { load: endless, save: () => Promise.reject(new Error('not asked for')) })
    expect(loaded.basis.dropped).toContain('characters')
  })

  it('is read whole if the store fails, at once or in the middle', async () => {
    const backend = backendOf('')
    const text = await snapshotOf(lines.slice(0, half))
    const failure = new RepriseError('ADAPTER_UNAVAILABLE', 'The store is away.')
    for (const before of [[], [text.slice(0, 100)], [text]]) {
      const load_ = async function* () {
        yield* before
        throw failure
      }
      const loaded = await load(backend, { load: load_, save: () => Promise.reject(failure) })
      expectWhole(loaded)
      expect(loaded.basis.dropped).toBe('The store is away.')
    }
  })

  it('says what is wrong with the log as if there were no snapshot', async () => {
    const snapshot = await snapshotOf(lines.slice(0, half))
    const broken = (at: number): MemoryBackend => {
      const backend = backendOf(snapshot)
      const records = [...backend.recordsOf(runId)]
      records[at] = { ...records[at]!, text: records[at]!.text.replace('"v":1', '"v":9') }
      backend.runs.records.set(runId, records)
      return backend
    }
    for (const at of [half - 1, half, lines.length - 1]) {
      await expect(load(broken(at))).rejects.toMatchObject({ code: 'LOG_CORRUPT', details: { index: at } })
    }
    const elsewhere = 'run-2' as RunId
    const copied = backendOf(snapshot)
    copied.runs.records.set(elsewhere, [...copied.recordsOf(runId)])
    copied.snapshots.set(elsewhere, [snapshot])
    const { log, snapshots } = memoryAdapter({ backend: copied })
    await expect(loadRun(log, elsewhere, { snapshots })).rejects.toMatchObject({ code: 'RUN_MISMATCH' })
  })

  it('reads a log without a snapshot once, also one that is damaged', async () => {
    const backend = backendWith(runId, lines)
    const records = [...backend.recordsOf(runId)]
    records[3] = { ...records[3]!, text: records[3]!.text.replace('"v":1', '"v":9') }
    backend.runs.records.set(runId, records)
    let reads = 0
    backend.intercept = ({ port, method, phase }) => {
      if (port === 'log' && method === 'read' && phase === 'before') reads++
      return 'go'
    }
    await expect(load(backend)).rejects.toMatchObject({ code: 'LOG_CORRUPT', details: { index: 3 } })
    expect(reads).toBe(1)
  })

  it('has no commits if there is a snapshot and no log', async () => {
    const backend = backendOf(await snapshotOf(lines))
    backend.runs.records.clear()
    const loaded = await load(backend)
    expect(loaded).toMatchObject({ commits: 0, first: null })
    expect(loaded.basis.dropped).not.toBe(null)
  })

  it('is briefed with the same words', async () => {
    const { log, snapshots } = memoryAdapter({ backend: backendOf(await snapshotOf(lines.slice(0, half))) })
    const options = { tokenBudget: 20_000 }
    expect(await briefRun(log, runId, { ...options, snapshots })).toEqual(await briefRun(log, runId, options))
  })
})
