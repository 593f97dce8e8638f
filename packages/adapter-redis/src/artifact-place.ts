import type { StoredArtifact } from '@reprise/core/adapter'

/** Bytes of a piece; the last one of an upload may have fewer. */
export const pieceBytes = 256 * 1024

/** Where the bytes with a digest are: what the key of an artifact holds. */
export interface ArtifactPlace {
  /** Names the hash with the pieces. */
  readonly uploadId: string
  readonly bytes: number
}

export const piecesOf = (bytes: number): number => Math.ceil(bytes / pieceBytes)

const digestForm = /^[0-9a-f]{64}$/
const pathForm = /^sha256\/([0-9a-f]{64})$/
const uploadIdForm = /^[0-9a-f]{32}$/

export const isDigest = (sha256: string): boolean => digestForm.test(sha256)

export const stored = (sha256: string, bytes: number): StoredArtifact => ({
  path: `sha256/${sha256}`,
  sha256,
  bytes,
})

/** The digest in a path of this store's making, else `null`. */
export const digestIn = (path: string): string | null => pathForm.exec(path)?.[1] ?? null

export const placeText = ({ uploadId, bytes }: ArtifactPlace): string => JSON.stringify({ uploadId, bytes })

/** `null` if it is of another form: workers can write there, so nothing in it is believed. */
export function readPlace(text: string): ArtifactPlace | null {
  try {
    const { uploadId, bytes } = JSON.parse(text) as Partial<Record<keyof ArtifactPlace, unknown>>
    if (typeof uploadId !== 'string' || !uploadIdForm.test(uploadId)) return null
    return Number.isSafeInteger(bytes) && (bytes as number) >= 0 ? { uploadId, bytes: bytes as number } : null
  } catch {
    return null
  }
}
