import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { loadSnapshot } from '../src/coordinator/load-snapshot.js'
import { snapshotPieces } from '../src/coordinator/snapshot-pieces.js'
import { initialState, reduceCommit } from '../src/flow/reduce-event.js'
import { SnapshotReader } from '../src/flow/snapshot-reader.js'
import { captureState, snapshotLines, stateVersion } from '../src/flow/snapshot-text.js'
import { ChainReader } from '../src/log/chain-reader.js'
import { isRepriseError } from '../src/protocol/errors.js'
import type { RunId } from '../src/protocol/ids.js'
import { limits } from '../src/protocol/limits.js'
import type { RunState } from '../src/protocol/state.js'
import { dispatch, given, task } from './given-run.js'
import { busyHalf, completedStory, failedStory } from './golden-logs/golden-story.js'
import { replay, snapshotOf, stateText } from './snapshot-of.js'

const runId = 'run-1' as RunId
const position = { commits: 1, version: 1, head: 'ab'.repeat(32), first: 'cd'.repeat(32) }
const stories = { busyHalf, completedStory, failedStory }

/** The state that comes back from the lines of a state. */
function thereAndBack(state: RunState): RunState {
  const reader = new SnapshotReader(runId)
  for (const line of snapshotLines({ ...position, version: state.version }, captureState(state))) reader.line(line)
  return reader.finish().state
}

describe('a snapshot', () => {
  it.each(Object.entries(stories))(
    'gives the same state again, in the same order, at every commit of %s',
    (_, story) => {
      const chain = new ChainReader()
      let state = initialState()
      for (const line of story().lines) {
        state = reduceCommit(state, chain.next(line))
        const back = thereAndBack(state)
        expect(stateText(back)).toBe(stateText(state))
        expect(back).toStrictEqual(state)
      }
    },
  )

  it('is of one instant: what is folded while it is written does not show', () => {
    const { lines } = completedStory()
    for (let count = 1; count < lines.length; count++) {
      const chain = new ChainReader()
      let state = initialState()
      for (const line of lines.slice(0, count)) state = reduceCommit(state, chain.next(line))
      const atOnce = [...snapshotLines(position, captureState(state))]
      const captured = captureState(state)
      for (const line of lines.slice(count)) state = reduceCommit(state, chain.next(line))
      expect([...snapshotLines(position, captured)]).toEqual(atOnce)
    }
  })

  it('gives a state that can be folded on like the one that it was made of', () => {
    const { lines } = completedStory()
    for (let count = 1; count < lines.length; count++) {
      const chain = new ChainReader()
      let state = initialState()
      for (const line of lines.slice(0, count)) state = reduceCommit(state, chain.next(line))
      let back = thereAndBack(state)
      for (const line of lines.slice(count)) back = reduceCommit(back, chain.next(line))
      expect(stateText(back)).toBe(stateText(replay(lines).state))
    }
  })

  it('comes in pieces of bounded length that no character is cut by, of which the whole is read again', async () => {
    const input = { text: '\u{1f680}'.repeat(50_000), lone: '\ud83d' }
    const run = given({ inFlightMax: 5 }, dispatch(task('large', { input }), task('a'), task('b')))
    const text = await snapshotOf(run.lines)
    const { state, commits, head, first } = replay(run.lines)
    const at = { commits, version: state.version, head, first: first ?? '' }
    const pieces: string[] = []
    for await (const piece of snapshotPieces(at, captureState(state), () => Promise.resolve())) pieces.push(piece)
    expect(pieces.length).toBeGreaterThan(1)
    for (const piece of pieces) {
      expect(piece.length).toBeLessThanOrEqual(limits.snapshotPieceMax)
      expect(Buffer.from(piece).toString()).toBe(piece)
    }
    expect(pieces.join('')).toBe(text)
    const store = {
      load: async function* () {
        yield* pieces
      },
      save: () => Promise.resolve(),
    }
    expect((await loadSnapshot(store, runId))?.state).toStrictEqual(state)
  })

  it('is not made if it would be larger than one that is read', async () => {
    const state = initialState()
    state.runId = runId
    state.goal = 'x'.repeat(limits.snapshotMax)
    const pieces = snapshotPieces(position, captureState(state), () => Promise.resolve())
    const error = await (async () => {
      for await (const _ of pieces);
    })().catch((thrown: unknown) => thrown)
    expect(isRepriseError(error, 'TOO_LARGE')).toBe(true)
  })

  // A snapshot of an older library is read by a newer one of the same state version. If this fails, folding gives another
  // state than it did: raise `stateVersion` in flow/snapshot-text.ts, and write here what this says then.
  it('has another state version whenever folding an old log gives another state', () => {
    const logs = ['v1', 'v1-failed', 'v1-criteria'].map((name) =>
      readFileSync(new URL(`./golden-logs/${name}.jsonl`, import.meta.url), 'utf8'),
    )
    const states = logs.map((text) => stateText(replay(text.trimEnd().split('\n')).state))
    expect({ stateVersion, states: hash('sha256', states.join('\n')) }).toEqual({
      stateVersion: 2,
      states: 'a680c1b6b0e83f8045af296d5cd1d002ef64ffc914badb3f0a12df551a932145',
    })
  })
})
