import type { StoredMessage } from './stored-message.js'

/** Bytes of every chunk of an artifact but the last, which may have less. */
export const chunkBytes = 256 * 1024

/** What is stored under a digest: where its bytes are. */
export interface ArtifactManifest {
  readonly upload: string
  readonly bytes: number
  /** Sequences of its chunks in the stream, in order. */
  readonly sequences: readonly number[]
}

export const writeManifest = (manifest: ArtifactManifest): string => JSON.stringify(manifest)

/** `null` if it is not one. Workers write them, so it must not name more chunks than its bytes fill. */
export function readManifest({ data }: StoredMessage): ArtifactManifest | null {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(data).toString())
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const { upload, bytes, sequences } = value as Record<string, unknown>
  if (typeof upload !== 'string' || !/^[0-9a-f]{32}$/.test(upload)) return null
  if (!Number.isSafeInteger(bytes) || (bytes as number) < 0 || !Array.isArray(sequences)) return null
  if (sequences.length > Math.ceil((bytes as number) / chunkBytes)) return null
  if (!sequences.every((seq) => Number.isSafeInteger(seq) && seq > 0)) return null
  return { upload, bytes: bytes as number, sequences }
}
