import type { RunId } from '../protocol/ids.js'

/**
 * Snapshots of a run as it was at several of its versions, so that looking back need not read its log from the start. A
 * cache like `SnapshotStore`, and under the same rights: a reader checks what it gets against the log. Whoever looks
 * back far makes them; nobody needs them.
 */
export interface RunHistory {
  /** The versions that are kept, ascending; none if the run has no log. */
  versions(runId: RunId): Promise<readonly number[]>
  /** The pieces of one of them, in order, perhaps cut in other places; none if it is not kept. */
  load(runId: RunId, version: number): AsyncIterable<string>
  /**
   * Keeps the state that the first `commits` commits, with `version` events, have left, once all pieces are kept. Called
   * by a reader of the log that has that commit in its hands. `RUN_UNKNOWN` if the run has no log.
   */
  keep(
    runId: RunId,
    at: { readonly commits: number; readonly version: number },
    pieces: AsyncIterable<string>,
  ): Promise<void>
}
