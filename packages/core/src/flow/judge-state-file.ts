import { readStateFile, type StateFileOrigin } from './state-file-text.js'

export type StateFileDriftKind = 'missing' | 'edited' | 'older' | 'foreign' | 'other-run' | 'other-history'

/** What stands where a state file should: `same` as the log, or how it differs, in words that follow the file's name. */
export type StateFileVerdict =
  | { readonly found: 'same' }
  /** Says that it knows more than the log. */
  | { readonly found: 'ahead'; readonly version: number }
  /** `isOurs`: nothing is lost with it, because the log says the same and more. */
  | { readonly found: StateFileDriftKind; readonly isOurs: boolean; readonly what: string }

/**
 * Compares a state file, as far as it says what it was made from, with the log; `before`: with what was written there last, of
 * which an older version of another history can be told.
 */
export function judgeStateFile(
  text: string | null,
  log: StateFileOrigin,
  before: StateFileOrigin | null = null,
): StateFileVerdict {
  if (text === null) return { found: 'missing', isOurs: true, what: 'was missing' }
  if (text.trim() === '') return { found: 'foreign', isOurs: true, what: 'was empty' }
  const said = readStateFile(text)
  if (said === null) return { found: 'foreign', isOurs: false, what: 'was not a state file' }
  if (said.runId !== log.runId) return { found: 'other-run', isOurs: false, what: `was that of run ${said.runId}` }
  // Edited or not: a log that was cut off must not overwrite the last sign of what it has lost.
  if (said.version > log.version) return { found: 'ahead', version: said.version }
  if (!said.intact) return { found: 'edited', isOurs: false, what: 'was edited' }
  const isFork = [log, before].some((known) => known?.version === said.version && known.commit !== said.commit)
  if (isFork) return { found: 'other-history', isOurs: false, what: 'was of another history of this run' }
  if (said.version < log.version) {
    return { found: 'older', isOurs: true, what: `was of version ${said.version}, the log of ${log.version}` }
  }
  return { found: 'same' }
}
