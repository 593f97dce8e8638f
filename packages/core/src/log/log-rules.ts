/** What every `CommitLog` refuses, whatever keeps its records: the same codes in the same words. */
import { RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import { exceedsBytes } from '../protocol/json.js'
import { limits } from '../protocol/limits.js'
import { type CommitRecord, closesRun, envelopeBytes, readRecordShape } from './commit-record.js'

/**
 * First thing in `append`. `TOO_LARGE` if the commit has more than `limits.commitBytesMax` bytes, `INVALID_INPUT` if the
 * text does not carry the index and hash of its record. Does not hash: that was done when the record was made, and will
 * be when it is read.
 */
export function checkRecord(runId: RunId, { index, hash, text }: CommitRecord): void {
  if (exceedsBytes(text, limits.commitBytesMax + envelopeBytes)) {
    const bytes = Buffer.byteLength(text)
    throw new RepriseError(
      'TOO_LARGE',
      `Commit ${index} of run ${runId} has ${bytes} bytes; at most ${limits.commitBytesMax} are allowed. Split it.`,
      { details: { runId, index, bytes } },
    )
  }
  const shape = readRecordShape(text)
  if (shape === null || shape.index !== index || shape.hash !== hash) {
    throw new RepriseError(
      'INVALID_INPUT',
      `Commit ${index} of run ${runId} is not a record: its text must carry its index and hash. Make it with encodeCommit.`,
      { details: { runId, index } },
    )
  }
}

/** What `append` fails with once it is certain that the record is not there. `length`: how many commits the run holds. */
export function versionConflict(runId: RunId, index: number, length: number): RepriseError {
  const why =
    index > length
      ? `the run holds ${length} commits. Append commit ${length} first.`
      : `the run holds ${length} commits, and not this one. Read what was appended, then decide again.`
  return new RepriseError('VERSION_CONFLICT', `Commit ${index} of run ${runId} was not appended: ${why}`, {
    details: { runId, index, length },
  })
}

/**
 * Before `remove` removes. `newest` is the text of the last commit; if there is none it is `RUN_UNKNOWN`, and
 * `RUN_OPEN` if that commit does not close the run.
 */
export function checkRemovable(runId: RunId, newest: string | null | undefined): asserts newest is string {
  if (newest == null) {
    throw new RepriseError('RUN_UNKNOWN', `There is no run ${runId}. Look for its id with list.`, {
      details: { runId },
    })
  }
  if (!closesRun(newest)) {
    throw new RepriseError('RUN_OPEN', `Run ${runId} is still open. Complete or fail it before removing it.`, {
      details: { runId },
    })
  }
}
