import type { ArtifactCheck, StoredArtifact } from '../protocol/artifact.js'

/** Content-addressed bytes that receipts refer to. Nothing is ever held in memory whole. */
export interface ArtifactStore {
  /** Streams `source` into the store while hashing. `ARTIFACT_TOO_LARGE` beyond `bytesMax`; then nothing is kept. */
  put(source: AsyncIterable<Uint8Array>, bytesMax: number): Promise<StoredArtifact>
  /** Reads the bytes again and compares size and digest; `path` is resolved, links included, inside the root only. */
  check(claimed: StoredArtifact, bytesMax: number): Promise<ArtifactCheck>
  /** The checked bytes. `ARTIFACT_MISSING` if there are none under that digest. */
  read(artifact: StoredArtifact): AsyncIterable<Uint8Array>
}
