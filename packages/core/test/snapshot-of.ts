import type { LoadedRun } from '../src/coordinator/load-run.js'
import { snapshotPieces } from '../src/coordinator/snapshot-pieces.js'
import { initialState, reduceCommit } from '../src/flow/reduce-event.js'
import { SnapshotReader } from '../src/flow/snapshot-reader.js'
import { captureState } from '../src/flow/snapshot-text.js'
import { ChainReader } from '../src/log/chain-reader.js'
import { readRecordShape } from '../src/log/commit-record.js'
import { MemoryBackend } from '../src/memory/memory-backend.js'
import type { RunId } from '../src/protocol/ids.js'
import type { RunState } from '../src/protocol/state.js'

/** A state as text in which order shows: two equal maps may give their entries in another order. */
export const stateText = (state: RunState): string =>
  JSON.stringify(state, (_, value) => (value instanceof Map || value instanceof Set ? [...value] : value))

/**
 * The same, whatever the order in which fields stand: a coordinator has them in the order of its schemas, the log as the
 * worker wrote them.
 */
const fieldsText = (state: RunState): string =>
  JSON.stringify(state, (_, value) => {
    if (value instanceof Map || value instanceof Set) return [...value]
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
  })

/** What reading these lines from the first on gives. */
export function replay(lines: readonly string[]): Omit<LoadedRun, 'basis'> {
  const chain = new ChainReader()
  let state = initialState()
  for (const line of lines) state = reduceCommit(state, chain.next(line))
  return { state, commits: chain.commits, head: chain.head, first: chain.first }
}

/** The snapshot that the last of these lines leaves. */
export async function snapshotOf(lines: readonly string[]): Promise<string> {
  const { state, commits, head, first } = replay(lines)
  const position = { commits, version: state.version, head, first: first ?? '' }
  const pieces: string[] = []
  for await (const piece of snapshotPieces(position, captureState(state), () => Promise.resolve())) pieces.push(piece)
  return pieces.join('')
}

/** What is wrong with the pieces of a snapshot beside this log; `null` if it is what the log says, or there is none. */
export function snapshotProblem(pieces: readonly string[] | undefined, lines: readonly string[]): string | null {
  if (pieces === undefined) return null
  const text = pieces.join('').split('\n').slice(0, -2)
  const { runId } = JSON.parse(text[0] ?? '{}') as { runId: RunId }
  const reader = new SnapshotReader(runId)
  for (const line of text) reader.line(line)
  const { state, position } = reader.finish()
  if (position.commits > lines.length)
    return `the snapshot is of ${position.commits} commits, the log has ${lines.length}`
  const whole = replay(lines.slice(0, position.commits))
  if (whole.head !== position.head || whole.first !== position.first) return 'the snapshot is of another history'
  const [says, is] = [fieldsText(state), fieldsText(whole.state)]
  if (says === is) return null
  const at = [...is].findIndex((character, i) => says[i] !== character)
  return `the snapshot gives another state than the log: ${says.slice(Math.max(0, at - 60), at + 60)} for ${is.slice(Math.max(0, at - 60), at + 60)}`
}

/** A backend whose log of the run holds these lines. */
export function backendWith(runId: RunId, lines: readonly string[]): MemoryBackend {
  const backend = new MemoryBackend()
  const records = lines.map((text) => {
    const shape = readRecordShape(text)
    if (shape === null) throw new Error('a line of the test is no record')
    return { ...shape, text }
  })
  backend.runs.records.set(runId, records)
  return backend
}
