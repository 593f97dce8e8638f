import type { LoadOptions } from '../coordinator/load-run.js'
import { type SnapshotHeader, snapshotFormat, stateVersion } from '../flow/snapshot-text.js'
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
  const newest = snapshots === undefined ? null : await newestOf(snapshots, runId)
  const kept = history === undefined ? [] : await history.versions(runId)
  const nearest = kept.findLast((each) => each <= version) ?? 0
  // One of another version of the library is of no use; alone, whoever loads it says so.
  const isBetter = newest !== null && newest.version >= nearest && (newest.isOurs || nearest === 0)
  if (snapshots !== undefined && newest !== null && newest.version <= version && isBetter) return snapshots
  return history === undefined || nearest === 0 ? null : { load: () => history.load(runId, nearest) }
}

/** What the newest snapshot says that it is, by its first line: a large one is not read in vain. `null`: there is none. */
async function newestOf(
  snapshots: SnapshotStore,
  runId: RunId,
): Promise<{ readonly version: number; readonly isOurs: boolean } | null> {
  let text = ''
  for await (const piece of snapshots.load(runId)) {
    text += piece
    if (text.includes('\n')) break
  }
  if (text === '') return null
  const header = JSON.parse(text.slice(0, text.indexOf('\n'))) as Partial<SnapshotHeader>
  const { version = 0, snapshot, state } = header
  return version === 0 ? null : { version, isOurs: snapshot === snapshotFormat && state === stateVersion }
}
