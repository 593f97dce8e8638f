import { RepriseError, type RunId } from '@reprise/core/adapter'

/** A head as the server told it. `index` is -1 if there is no log. */
export interface SeenHead {
  /** How often a log of that name was removed before. */
  readonly generation: number
  readonly index: number
  readonly hash: string
}

const nothing: SeenHead = { generation: 0, index: -1, hash: '' }

/** Runs whose head is remembered: a few hundred bytes each. */
const runsMax = 16_384

/**
 * The highest head of each run that this adapter was shown. A server that knows less has lost commits that somebody
 * may have acted on: it was flushed, a stale replica took over, or a backup was restored.
 */
export class SeenHeads {
  /** Least recently grown first. */
  readonly #heads = new Map<RunId, SeenHead>()

  of(runId: RunId): SeenHead {
    return this.#heads.get(runId) ?? nothing
  }

  /** Remembers a head that the server has compared with the one seen before. Replies may overtake each other. */
  note(runId: RunId, head: SeenHead): void {
    const seen = this.of(runId)
    // Unless the log was removed, and what told that has run out: names are not remembered for ever.
    if (head.generation < seen.generation && seen.index >= 0) return
    if (head.generation === seen.generation && head.index <= seen.index) return
    this.#heads.delete(runId)
    if (head.index === -1 && head.generation === 0) return
    this.#heads.set(runId, head)
    if (this.#heads.size <= runsMax) return
    for (const oldest of this.#heads.keys()) return void this.#heads.delete(oldest)
  }
}

/** What is wrong with a log, or `null`. `status` is that of the scripts. */
export function logFailure(status: string, runId: RunId, found: SeenHead, seen: SeenHead): RepriseError | null {
  switch (status) {
    case 'torn':
      return corrupt(
        runId,
        `its stream has lost entries: it should hold ${found.index + 1} commits and does not. Somebody trimmed, evicted or wrote to it`,
        found,
        seen,
      )
    case 'lost':
      return corrupt(
        runId,
        `it ended with commit ${seen.index} and now ends with ${found.index === -1 ? 'none' : `commit ${found.index}`}. The server was flushed, an old replica took over, or an old copy was restored`,
        found,
        seen,
      )
    case 'forked':
      return corrupt(
        runId,
        `commit ${seen.index} is not the one it was. An old replica took over or an old copy was restored, and somebody has appended since`,
        found,
        seen,
      )
    default:
      return null
  }
}

const corrupt = (runId: RunId, why: string, found: SeenHead, seen: SeenHead): RepriseError =>
  new RepriseError(
    'LOG_CORRUPT',
    `The log of run ${runId} was damaged on the server: ${why}. Nothing was appended. Restore the newest copy, then open the adapter again; or open it again to go on from what is left.`,
    { details: { runId, found: found.index, seen: seen.index } },
  )
