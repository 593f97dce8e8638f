import type { LoadOptions } from '../coordinator/load-run.js'
import type { SnapshotPosition } from '../flow/snapshot-text.js'
import type { RunHistory } from '../ports/run-history.js'
import type { SnapshotStore } from '../ports/snapshot-store.js'
import type { RunId } from '../protocol/ids.js'

export interface LoadAtOptions extends LoadOptions {
  /** Begins with what is kept here, and keeps some of the states that it passes, where that is allowed. */
  readonly history?: RunHistory | undefined
}

/** The snapshot that is nearest to a version and not beyond it, as a store that holds nothing else; `null` if there is none. */
export async function nearestSnapshot(
  runId: RunId,
  version: number,
  { snapshots, history }: LoadAtOptions,
): Promise<Pick<SnapshotStore, 'load'> | null> {
  const newest = snapshots === undefined ? 0 : await newestVersion(snapshots, runId)
  const kept = history === undefined ? [] : await history.versions(runId)
  const nearest = kept.findLast((each) => each <= version) ?? 0
  if (snapshots !== undefined && newest > 0 && newest <= version && newest >= nearest) return snapshots
  return history === undefined || nearest === 0 ? null : { load: () => history.load(runId, nearest) }
}

/** The version that the newest snapshot says it is of, by its first line: a large one is not read in vain. 0: none. */
async function newestVersion(snapshots: SnapshotStore, runId: RunId): Promise<number> {
  let text = ''
  for await (const piece of snapshots.load(runId)) {
    text += piece
    if (text.includes('\n')) break
  }
  if (text === '') return 0
  const { version } = JSON.parse(text.slice(0, text.indexOf('\n'))) as Partial<SnapshotPosition>
  return version ?? 0
}
