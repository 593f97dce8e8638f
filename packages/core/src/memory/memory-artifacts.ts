import { createHash, hash } from 'node:crypto'
import type { ArtifactStore } from '../ports/artifact-store.js'
import type { ArtifactCheck, StoredArtifact } from '../protocol/artifact.js'
import { RepriseError } from '../protocol/errors.js'
import type { MemoryProcess } from './memory-process.js'

/** What several adapters share: bytes by path. A test may change them behind the store's back. */
export type MemoryFiles = Map<string, Uint8Array>

export function memoryArtifacts(files: MemoryFiles, process: MemoryProcess): ArtifactStore {
  async function put(source: AsyncIterable<Uint8Array>, bytesMax: number): Promise<StoredArtifact> {
    const digest = createHash('sha256')
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of source) {
      bytes += chunk.byteLength
      if (bytes > bytesMax) throw tooLarge(bytesMax)
      digest.update(chunk)
      // The caller may use its buffer again.
      chunks.push(Uint8Array.from(chunk))
    }
    const sha256 = digest.digest('hex')
    files.set(pathOf(sha256), Buffer.concat(chunks))
    return { path: pathOf(sha256), sha256, bytes }
  }

  function check(claimed: StoredArtifact, bytesMax: number): ArtifactCheck {
    const refuse = (reason: Extract<ArtifactCheck, { ok: false }>['reason'], detail: string): ArtifactCheck => ({
      ok: false,
      reason,
      detail,
    })
    if (!staysInside(claimed.path)) return refuse('outside-root', `"${claimed.path}" leads out of the store`)
    const content = files.get(claimed.path)
    if (content === undefined) return refuse('missing', `there is nothing at "${claimed.path}"`)
    const bytes = content.byteLength
    if (bytes > bytesMax) return refuse('too-large', `it has ${bytes} bytes; at most ${bytesMax} are allowed`)
    if (bytes !== claimed.bytes) return refuse('wrong-size', `it has ${bytes} bytes, not ${claimed.bytes}`)
    const sha256 = hash('sha256', content)
    if (sha256 !== claimed.sha256) return refuse('wrong-digest', `its sha256 is ${sha256}, not ${claimed.sha256}`)
    return { ok: true, artifact: { path: claimed.path, sha256, bytes } }
  }

  async function* read({ sha256 }: StoredArtifact): AsyncIterable<Uint8Array> {
    await process.pass('artifacts', 'read', 'before', null)
    const content = files.get(pathOf(sha256))
    if (content === undefined || hash('sha256', content) !== sha256) throw missing(sha256)
    yield Uint8Array.from(content)
  }

  return {
    put: (source, bytesMax) => process.call('artifacts', 'put', null, () => put(source, bytesMax)),
    check: (claimed, bytesMax) => process.call('artifacts', 'check', null, () => check(claimed, bytesMax)),
    read,
  }
}

const pathOf = (sha256: string): string => `sha256/${sha256.slice(0, 2)}/${sha256}`

/** Plain relative paths only: the rest is what a file system would resolve to somewhere else. */
const staysInside = (path: string): boolean =>
  !path.includes('\\') && !path.includes('\0') && path.split('/').every((part) => part !== '' && part !== '..')

const tooLarge = (bytesMax: number): RepriseError =>
  new RepriseError(
    'ARTIFACT_TOO_LARGE',
    `The artifact exceeds ${bytesMax} bytes; nothing of it was kept. Split it, or raise the limit in the policy.`,
    { details: { bytesMax } },
  )

const missing = (sha256: string): RepriseError =>
  new RepriseError('ARTIFACT_MISSING', `There are no bytes with the sha256 ${sha256}. Put the artifact again.`, {
    details: { sha256 },
  })
