import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CommitLog,
  type CommitRecord,
  type ErrorCode,
  hashMatches,
  isRepriseError,
  type RunId,
} from '@reprise/core/adapter'
import { encodeCommit, genesisHash } from '@reprise/core/testing'
import { afterEach } from 'vitest'

export const runId = (id: string): RunId => id as RunId

/** The record after `previous`, with one event that says `text`. */
export function recordAfter(previous: CommitRecord | null, text: string, type = 'note-added'): CommitRecord {
  const index = previous === null ? 0 : previous.index + 1
  const prev = previous?.hash ?? genesisHash
  const header = { index, version: index + 1, epoch: 0, at: '2030-01-01T00:00:00.000Z', actor: 'test', prev }
  return encodeCommit(header, [JSON.stringify({ type, v: 1, data: { text } })])
}

export function history(count: number, text = 'note'): CommitRecord[] {
  const records: CommitRecord[] = []
  for (let i = 0; i < count; i++) records.push(recordAfter(records.at(-1) ?? null, `${text} ${i}`))
  return records
}

export const fileOf = (records: readonly CommitRecord[]): Buffer =>
  Buffer.from(records.map((record) => `${record.text}\n`).join(''))

export async function readAll(log: CommitLog, run: RunId, from = 0): Promise<string[]> {
  const texts: string[] = []
  for await (const batch of log.read(run, from)) texts.push(...batch)
  return texts
}

/** What core checks when it decodes: every text has its hash, and each follows the one before. */
export function isHistory(texts: readonly string[]): boolean {
  let prev = genesisHash
  return texts.every((text, index) => {
    if (!hashMatches(text)) return false
    const { hash, commit } = JSON.parse(text) as { hash: string; commit: { index: number; prev: string } }
    const follows = commit.index === index && commit.prev === prev
    prev = hash
    return follows
  })
}

/** The code that a call fails with, or `'none'`. Anything but a `RepriseError` is passed on. */
export async function codeOf(call: () => Promise<unknown> | unknown): Promise<ErrorCode | 'none'> {
  try {
    await call()
    return 'none'
  } catch (error) {
    if (isRepriseError(error)) return error.code
    throw error
  }
}

/**
 * Makes folders that are removed after each test of the file. `in-memory`: where syncing costs nothing, for tests that
 * do it thousands of times and are not about the disk; elsewhere if this system has no such place.
 */
export function temporaryFolders(place: 'on-disk' | 'in-memory' = 'on-disk'): () => Promise<string> {
  const folders: string[] = []
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
  })
  const base = place === 'in-memory' && existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  return async () => {
    const folder = await mkdtemp(join(base, 'reprise-'))
    folders.push(folder)
    return folder
  }
}
