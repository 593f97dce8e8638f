import { memoryAdapter } from '../src/memory/memory-adapter.js'
import type { RunId } from '../src/protocol/ids.js'
import { forkRun } from '../src/replay/fork-run.js'
import { type ListedRun, listRuns, type UnreadableLog } from '../src/replay/list-runs.js'
import { completedStory } from './golden-logs/golden-story.js'
import { backendWith } from './snapshot-of.js'

export const runId = 'run-1' as RunId

/** A run that has ended and holds every kind of event, and one that has not. */
export const ended = completedStory().lines
export const open = ended.slice(0, -1)

export const adapterWith = (lines: readonly string[], id = runId) => memoryAdapter({ backend: backendWith(id, lines) })

export const emptyAdapter = () => memoryAdapter()

/** The log of a fork, which begins as that of another run. */
export async function forkedLines(): Promise<string[]> {
  const { log } = adapterWith(ended)
  await forkRun(log, runId, { version: 9 }, 'fork-1')
  return linesIn(log, 'fork-1' as RunId)
}

export async function linesIn(log: ReturnType<typeof memoryAdapter>['log'], id = runId): Promise<string[]> {
  const all: string[] = []
  for await (const lines of log.read(id)) all.push(...lines)
  return all
}

export async function rowsOf(adapter: ReturnType<typeof memoryAdapter>): Promise<(ListedRun | UnreadableLog)[]> {
  const rows: (ListedRun | UnreadableLog)[] = []
  for await (const row of listRuns(adapter)) rows.push(row)
  return rows
}

/** A file of bytes, in pieces that cut lines and characters anywhere. */
export const fileOf = (text: string | Uint8Array, pieceBytes = 1_000) =>
  async function* (): AsyncGenerator<Uint8Array, void> {
    const bytes = Buffer.from(text as string)
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
  }

export const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')
