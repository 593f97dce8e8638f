import { RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'

/** What every `SnapshotStore` fails with when a run has no log, or no longer one. */
export const snapshotWithoutLog = (runId: RunId): RepriseError =>
  new RepriseError('RUN_UNKNOWN', `There is no log of run ${runId}, so no snapshot of it was kept.`, {
    details: { runId },
  })
