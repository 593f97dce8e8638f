import { RepriseError, type RunId } from '@reprise/core/adapter'
import { isSameEntry, type LogEntry } from './log-entry.js'

/** Runs whose newest entry is remembered. */
const knownMax = 4096

/** The age of what no append may build on until it has been read again. */
const distrusted = -1

interface Known {
  readonly entry: LogEntry
  /** The stream's when the entry was last seen in it: see `RunSubjects.age`. */
  readonly age: number
}

/** The newest entry of each run that this adapter has seen acknowledged or read: the server must never show less. */
export class KnownEntries {
  /** Least recently used first. */
  readonly #entries = new Map<RunId, Known>()

  get(runId: RunId): LogEntry | undefined {
    return this.#entries.get(runId)?.entry
  }

  /** The newest entry, if it was seen in a stream of that age. */
  seenAt(runId: RunId, age: number): LogEntry | undefined {
    const known = this.#entries.get(runId)
    return known?.age === age ? known.entry : undefined
  }

  /** Keeps the later one: answers can overtake each other. Without an age it is remembered, and not built on. */
  note(runId: RunId, entry: LogEntry, age = distrusted): void {
    const known = this.#entries.get(runId)
    const isLater = known === undefined || entry.seq > known.entry.seq
    const isSeenAgain = !isLater && isSameEntry(entry, known.entry) && age > known.age
    this.#entries.delete(runId)
    this.#entries.set(runId, isLater || isSeenAgain ? { entry, age } : known)
    if (this.#entries.size <= knownMax) return
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined) this.#entries.delete(oldest)
  }

  /** Remembered still, but not to be built on. */
  distrust(runId: RunId): void {
    const known = this.#entries.get(runId)
    if (known !== undefined) this.#entries.set(runId, { entry: known.entry, age: distrusted })
  }
}

/** Whether a server that has shown `known` before may show `found` at its place, or behind it. */
export const mayFollow = (known: LogEntry, found: LogEntry | null): boolean =>
  found !== null && (found.seq > known.seq || isSameEntry(found, known))

export function regression(runId: RunId, stream: string, known: LogEntry, found: LogEntry | null): RepriseError {
  const shown = (entry: LogEntry): string =>
    entry.kind === 'commit' ? `commit ${entry.index} as message ${entry.seq}` : `its removal as message ${entry.seq}`
  const now = found === null ? 'nothing of it' : `${shown(found)}, with another history`
  return new RepriseError(
    'LOG_CORRUPT',
    `The log of run ${runId} went back: the stream ${stream} had ${shown(known)}, and now shows ${now}. It was deleted and made again, restored from an older backup, or lost what was not synced. Stop all coordinators of this run, and restore the newest copy.`,
    { details: { runId, stream, knownSeq: known.seq, foundSeq: found?.seq ?? 0 } },
  )
}
