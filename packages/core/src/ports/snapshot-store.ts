import type { RunId } from '../protocol/ids.js'

/**
 * Keeps the newest snapshot of each run, where its log is and under the rights of the log. A cache: nothing depends on
 * what is in it, since a reader checks what it gets against the log and reads the whole log if it doubts it. It may be
 * deleted at any time, and goes with the run when its log is removed.
 */
export interface SnapshotStore {
  /**
   * The pieces of the last save that ended well, in order, perhaps cut in other places; none if there was none. What is
   * given while another save ends may be of both.
   */
  load(runId: RunId): AsyncIterable<string>
  /**
   * Replaces the snapshot of a run, once all pieces are kept: if `pieces` fails, or the process is killed, the old one
   * stays. A piece has at most `limits.snapshotPieceMax` characters. `RUN_UNKNOWN` if the run has no log: nothing is
   * kept then.
   */
  save(runId: RunId, pieces: AsyncIterable<string>): Promise<void>
}
