import type { CommitRecord, LogHead } from '../log/commit-record.js'
import type { RunId } from '../protocol/ids.js'

/** Something that is stored for a run, whether it counts or not. */
export interface StoredPiece {
  /** Where, in words of the backend: `byte 1204`, `entry 5-0`, `message 77`. */
  readonly place: string
  /** As stored; of a very large one its beginning, so that memory stays bounded. */
  readonly bytes: Uint8Array
  /** All of its bytes. */
  readonly length: number
  /** `false`: it ends where the log ends, without what ends a record. */
  readonly whole: boolean
}

/**
 * Ordered text records of a run, appended by comparison. The only truth there is. What is refused, and how, is in
 * `log/log-rules.ts`.
 */
export interface CommitLog {
  /**
   * Appends if the run holds exactly `record.index` commits, and resolves once the record is durable in
   * the adapter's terms. The same hash already at that index is a success. Anything else there, or a gap
   * below, is `VERSION_CONFLICT`: see `versionConflict`. An outcome that could not be learnt is `ADAPTER_UNAVAILABLE`:
   * call again. What `checkRecord` refuses is not appended.
   */
  append(runId: RunId, record: CommitRecord): Promise<void>
  /**
   * Texts from `fromIndex` (default 0) to the head at the time of the call, in order, in batches. Each must come from
   * the stored bytes by strict UTF-8 decoding: if U+FFFD may stand for bytes that were damaged, a text can have the
   * right hash over bytes that have not, and damage passes unseen.
   */
  read(runId: RunId, fromIndex?: number): AsyncIterable<string[]>
  /** `null` if nothing was ever appended. */
  head(runId: RunId): Promise<LogHead | null>
  /** As `read`, then goes on with what is appended later, until `signal` aborts; then it ends without error. */
  watch(runId: RunId, fromIndex: number, signal: AbortSignal): AsyncIterable<string[]>
  /** Run ids that start with `prefix`, in no particular order. */
  list(prefix?: string): AsyncIterable<RunId>
  /**
   * Removes a closed run for good. `RUN_OPEN` if its last commit does not close it, `RUN_UNKNOWN` if there is none: see
   * `checkRemovable`.
   */
  remove(runId: RunId): Promise<void>
  /**
   * Everything that is kept for a run as it is, in its order: also what `read` passes over or refuses. For finding out
   * what is wrong with a log; an adapter that has nothing but its commits leaves it out. Nothing for a run that has nothing,
   * one empty piece for a log that is there and empty.
   */
  stored?(runId: RunId): AsyncIterable<StoredPiece>
}
