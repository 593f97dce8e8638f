import { readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { fileFailure, systemCode } from './file-failure.js'

/** The value of a JSON text, or `null` if it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** The whole of a small file, or `null` if there is none. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null
    throw fileFailure(error, 'Reading', path)
  }
}

/** Deletes a file. Nothing happens if there is none. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw fileFailure(error, 'Deleting', path)
  }
}

/** Readers see the old content or the new one, never a part. One process at a time may do this to a path. */
export function replaceFile(path: string, text: string): void {
  const temporary = `${path}.new`
  try {
    writeFileSync(temporary, text)
    renameSync(temporary, path)
  } catch (error) {
    throw fileFailure(error, 'Replacing', path)
  }
}
