import type { RunId, TaskId } from '../protocol/ids.js'
import type { Artifact } from '../protocol/receipt.js'
import type { TaskRequest } from '../protocol/task.js'

/** Where the bytes of an artifact come from. A text is the content itself; a local file: `createReadStream(path)`. */
export type ArtifactSource = string | Uint8Array | AsyncIterable<Uint8Array>

/** Where a handler stopped before it was done, and how the next attempt or a person goes on. */
export interface PartialStop {
  readonly message: string
  readonly code?: string
  /** The last point that was reached. */
  readonly stoppedAt?: string
  readonly resumeInstructions?: string
}

/** What `task.partial` makes: an output that the schema accepts, of work that is not done. */
export class PartialResult<Output> {
  constructor(
    readonly output: Output,
    readonly stop: PartialStop,
  ) {}
}

/**
 * What a handler knows of its attempt and can do in it. The functions may be taken off the object. Once the
 * attempt is over (answered, withdrawn, claim lost, worker closed) they throw what `signal.reason` holds.
 */
export interface TaskContext {
  readonly runId: RunId
  readonly taskId: TaskId
  /** 1, 2, … The same task may have run before, and in rare cases still runs elsewhere: effects need a key. */
  readonly attempt: number
  /** 1 unless a worker died with this attempt, or gave it back, before. */
  readonly deliveries: number
  /** ISO time. The coordinator offers the next attempt then, and this worker answers with a failed receipt. */
  readonly deadlineAt: string
  /** The task whose receipt asked for this one. */
  readonly parent: TaskId | null
  readonly depth: number
  readonly traceId: string
  /**
   * Aborts when nobody wants the result any more. The reason is a RepriseError: `ATTEMPT_WITHDRAWN` (cancelled),
   * `CLAIM_LOST`, `TIMEOUT` (the deadline passed) or `CLOSED` (the worker shuts down and gives the attempt back).
   */
  readonly signal: AbortSignal
  /** Shown to whoever asks where the attempt is: JSON, at most 1 KiB, sent with the next heartbeat. */
  progress(value: unknown): void
  /**
   * Stores bytes and names them in the receipt, streaming: await it. Names are unique in an attempt.
   * `INVALID_INPUT`, `TOO_LARGE` (`limits.artifactsMax`), `ARTIFACT_TOO_LARGE`, `NO_ARTIFACTS`.
   */
  artifact(name: string, source: ArtifactSource, options?: { readonly mediaType?: string }): Promise<Artifact>
  /**
   * Asks for another task once this attempt is completed or partial; the coordinator decides: it finds the request in
   * `TaskResult.spawnRequests`, with this task as its parent. `INVALID_INPUT`, `TOO_LARGE` (`limits.spawnRequestsMax`).
   */
  spawn(request: TaskRequest): void
  /** Adds to what this attempt has spent. `INVALID_INPUT` for anything but amounts. */
  usage(spent: { readonly tokens?: number; readonly costUsd?: number }): void
  /** For a handler to return: the receipt has status `partial`. */
  partial<Output>(output: Output, stop: PartialStop): PartialResult<Output>
}
