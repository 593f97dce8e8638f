import { createHash } from 'node:crypto'
import { acceptedReceipts } from '../coordinator/accepted-receipts.js'
import type { ArtifactStore } from '../ports/artifact-store.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { StoredArtifact } from '../protocol/artifact.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import type { Receipt } from '../protocol/receipt.js'
import type { RunState } from '../protocol/state.js'

export interface CopiedArtifacts {
  /** Different ones, by content. */
  readonly artifacts: number
  readonly bytes: number
  /** Of them, so many were there already, read again and found right. */
  readonly found: number
}

/** What the receipts of a run name that were accepted, or wait for a decision: each content once. */
export async function* artifactsOf(
  log: CommitLog,
  runId: RunId,
  state: RunState,
): AsyncGenerator<StoredArtifact, void> {
  const seen = new Set<string>()
  const fresh = ({ artifacts }: Receipt): StoredArtifact[] =>
    artifacts.filter(({ sha256 }) => !seen.has(sha256) && seen.add(sha256))
  for await (const receipt of acceptedReceipts(log, runId)) yield* fresh(receipt)
  for (const taskId of state.received) {
    const receipt = state.tasks.get(taskId)?.receipt
    if (receipt != null) yield* fresh(receipt)
  }
}

/**
 * Copies an artifact from one store to another, hashed on its way, and read again where it arrived. By its digest: each
 * store has paths of its own. Whether it was there. `ARTIFACT_MISSING` for one that is not what its receipt says.
 */
export async function copyArtifact(from: ArtifactStore, to: ArtifactStore, artifact: StoredArtifact): Promise<boolean> {
  if (await holds(to, artifact)) return true
  const stored = await to.put(from.read(artifact), artifact.bytes)
  if (stored.sha256 !== artifact.sha256 || stored.bytes !== artifact.bytes) {
    throw missing(artifact, `what was read has ${stored.bytes} bytes and sha256 ${stored.sha256}`)
  }
  if (!(await holds(to, artifact))) throw missing(artifact, 'it was written, and cannot be read again')
  return false
}

async function holds(store: ArtifactStore, artifact: StoredArtifact): Promise<boolean> {
  const hash = createHash('sha256')
  let bytes = 0
  try {
    for await (const chunk of store.read(artifact)) {
      hash.update(chunk)
      bytes += chunk.byteLength
    }
  } catch (error) {
    if (isRepriseError(error, 'ARTIFACT_MISSING')) return false
    throw error
  }
  return bytes === artifact.bytes && hash.digest('hex') === artifact.sha256
}

const missing = ({ sha256, path }: StoredArtifact, why: string): RepriseError =>
  new RepriseError(
    'ARTIFACT_MISSING',
    `Artifact ${path} (sha256 ${sha256}) cannot be copied: ${why}. Restore it where the run is, or copy the run without its artifacts.`,
    { details: { sha256, path } },
  )
