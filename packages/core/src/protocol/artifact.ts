/** Where the bytes of an artifact are, by content. */
export interface StoredArtifact {
  /** Relative to the store's root, `/`-separated. */
  readonly path: string
  /** 64 hex digits. */
  readonly sha256: string
  readonly bytes: number
}

/** What reading an artifact again has shown. */
export type ArtifactCheck =
  | { readonly ok: true; readonly artifact: StoredArtifact }
  | {
      readonly ok: false
      readonly reason: 'missing' | 'outside-root' | 'not-a-regular-file' | 'wrong-size' | 'wrong-digest' | 'too-large'
      readonly detail: string
    }
