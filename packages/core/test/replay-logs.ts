import { readFileSync } from 'node:fs'
import { encodeCommit, genesisHash, readCommit } from '../src/log/commit-record.js'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import type { CommitLog } from '../src/ports/commit-log.js'
import type { Commit, RunEvent } from '../src/protocol/events.js'
import type { RunId } from '../src/protocol/ids.js'
import { backendWith } from './snapshot-of.js'

export const runId = 'run-1' as RunId

/** A log that holds these lines. */
export const logOf = (lines: readonly string[]): CommitLog => memoryAdapter({ backend: backendWith(runId, lines) }).log

export const goldenNames = ['v1', 'v1-failed', 'v1-criteria'] as const

export const goldenLines = (name: (typeof goldenNames)[number]): string[] =>
  readFileSync(new URL(`./golden-logs/${name}.jsonl`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')

export const commitsOf = (lines: readonly string[]): Commit[] => lines.map((line, index) => readCommit(line, index))

/** An event as somebody else could write it. */
export type LooseEvent = { type: string; v: number; data: Record<string, unknown>; cause?: unknown }

/** The same log with other events: every hash, version and epoch is right, as a wrong coordinator would have written it. */
export function rewritten(
  lines: readonly string[],
  change: (events: LooseEvent[], commit: Commit) => LooseEvent[],
  header: (commit: Commit) => Partial<Commit> = () => ({}),
): string[] {
  let [prev, version, epoch] = [genesisHash, 0, 0]
  return commitsOf(lines).map((commit) => {
    const events = change(structuredClone(commit.events) as unknown as LooseEvent[], commit)
    for (const event of events) if (++version && event.type === 'lock-acquired') epoch = version
    const texts = events.map((event) => JSON.stringify(event))
    const record = encodeCommit({ ...commit, version, epoch, prev, ...header(commit) }, texts)
    prev = record.hash
    return record.text
  })
}

/** The same log with one more commit, by whoever wrote the last one. */
export function continued(lines: readonly string[], ...events: readonly object[]): string[] {
  const last = commitsOf(lines).at(-1)
  if (last === undefined) throw new Error('there is no log to go on with')
  const prev = /"hash":"([0-9a-f]{64})"/.exec(lines.at(-1) ?? '')?.[1] ?? ''
  const texts = events.map((event) => JSON.stringify({ v: 1, ...event }))
  const version = last.version + events.length
  const isLock = events.findLastIndex((event) => (event as RunEvent).type === 'lock-acquired')
  const epoch = isLock === -1 ? last.epoch : last.version + isLock + 1
  return [...lines, encodeCommit({ ...last, index: last.index + 1, version, epoch, prev }, texts).text]
}
