import { snapshotPieces } from '../coordinator/snapshot-pieces.js'
import { captureState, type SnapshotPosition } from '../flow/snapshot-text.js'
import type { RunHistory } from '../ports/run-history.js'
import type { RunId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'

/** Fewer events than this are folded again sooner than loaded. */
const firstGap = 15_000
/** Each gap is larger than the one before by this part of the version: keeping the whole history of a log costs a part of it. */
const growth = 0.05

/** Keeps states of a run that is folded from its start, or from one of them, for whoever looks back later. */
export class HistoryKeeper {
  private due: number
  private stopped = false

  constructor(
    private readonly history: RunHistory,
    private readonly runId: RunId,
    /** Version from which folding begins. */
    from: number,
  ) {
    let due = firstGap
    while (due <= from) due = after(due)
    this.due = due
  }

  isDue(version: number): boolean {
    return version >= this.due && !this.stopped
  }

  /** Looking back must not fail because nothing can be kept: the folder may be read-only, or full. */
  async keep(position: SnapshotPosition, state: RunState): Promise<void> {
    while (this.due <= position.version) this.due = after(this.due)
    // Of a fork, before it was one: who loads it would take it for that of another run.
    if (state.runId !== this.runId) return
    try {
      await this.history.keep(
        this.runId,
        position,
        snapshotPieces(position, captureState(state), async () => {}),
      )
    } catch {
      this.stopped = true
    }
  }
}

const after = (due: number): number => Math.ceil(due * (1 + growth)) + firstGap
