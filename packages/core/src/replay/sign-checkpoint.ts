import { sign } from 'node:crypto'
import { loadRun, unknownRun } from '../coordinator/load-run.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { Runtime } from '../ports/runtime.js'
import type { RunId } from '../protocol/ids.js'
import { isoTime } from '../protocol/time.js'
import { systemRuntime } from '../runtime/system-runtime.js'
import { type CheckpointKey, readSigningKey } from './checkpoint-keys.js'
import { type Checkpoint, checkpointBytes, checkpointText } from './checkpoint-text.js'

export interface SignedCheckpoint {
  readonly checkpoint: Checkpoint
  /** To be kept where whoever can write the log cannot: one line, exactly as it is. */
  readonly text: string
}

/**
 * Reads and checks the whole log, and signs what it holds: so many commits, and the hash of the last one, which fixes all
 * of them. A hash chain alone does not show that its end was cut off, or that all of it was written anew; a checkpoint that
 * was kept elsewhere does. `RUN_UNKNOWN`, `RUN_MISMATCH`; `LOG_CORRUPT` and `LOG_TOO_NEW`: a log that is not right is not
 * signed; `INVALID_INPUT` for a key that cannot sign.
 */
export async function signCheckpoint(
  log: CommitLog,
  runId: RunId,
  key: CheckpointKey,
  { runtime = systemRuntime }: { readonly runtime?: Pick<Runtime, 'now'> } = {},
): Promise<SignedCheckpoint> {
  const signer = readSigningKey(key)
  const { commits, state, head, first } = await loadRun(log, runId)
  if (first === null) throw unknownRun(runId)
  const at = isoTime(runtime.now())
  const checkpoint = { v: 1, runId, commits, version: state.version, head, first, at, keyId: signer.keyId } as const
  const statement = JSON.stringify(checkpoint)
  return { checkpoint, text: checkpointText(statement, sign(null, checkpointBytes(statement), signer.key)) }
}
