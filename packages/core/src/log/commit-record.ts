import { RepriseError } from '../protocol/errors.js'
import type { Commit } from '../protocol/events.js'
import { sha256 } from '../protocol/sha256.js'

/** One line of a log: `text` is `{"hash":"…","commit":{"index":…}}` without a newline. */
export interface CommitRecord {
  /** Position of the commit in its run, from 0, without gaps. */
  readonly index: number
  /** 64 hex digits: sha256 over the exact UTF-8 bytes of the commit inside `text`. */
  readonly hash: string
  readonly text: string
}

/** Position of the newest commit of a run. */
export interface LogHead {
  readonly index: number
  readonly hash: string
}

/** `prev` of the first commit. */
export const genesisHash = '0'.repeat(64)

const beforeHash = '{"hash":"'
const afterHash = '","commit":'
const hashEnd = beforeHash.length + 64
const commitStart = hashEnd + afterHash.length
const indexStart = commitStart + '{"index":'.length
/** What a line has around the commit. */
export const envelopeBytes = commitStart + '}'.length

/** Everything of a commit but its events, which come as texts: each is serialized once, here and never again. */
export type CommitHeader = Omit<Commit, 'events'>

export function encodeCommit(header: CommitHeader, eventTexts: readonly string[]): CommitRecord {
  const commit =
    `{"index":${header.index},"version":${header.version},"epoch":${header.epoch},"at":"${header.at}",` +
    `"actor":${JSON.stringify(header.actor)},"prev":"${header.prev}","events":[${eventTexts.join(',')}]}`
  const digest = sha256(commit)
  return { index: header.index, hash: digest, text: `${beforeHash}${digest}${afterHash}${commit}}` }
}

/**
 * The index and hash that a line claims, or `null` if it does not have the form of a record: a torn or foreign
 * line. Says nothing about the bytes inside: see `hashMatches`.
 */
export function readRecordShape(line: string): { index: number; hash: string } | null {
  if (!line.startsWith(beforeHash) || !line.endsWith('}}')) return null
  if (!line.startsWith(afterHash, hashEnd) || !line.startsWith('{"index":', commitStart)) return null
  const indexEnd = line.indexOf(',', indexStart)
  if (indexEnd === -1 || indexEnd === indexStart || indexEnd - indexStart > 16) return null
  const index = Number(line.slice(indexStart, indexEnd))
  return Number.isSafeInteger(index) && index >= 0 ? { index, hash: line.slice(beforeHash.length, hashEnd) } : null
}

/** Whether the commit inside a line of the right form has the hash that the line claims: the line is intact. */
export const hashMatches = (line: string): boolean =>
  sha256(line.slice(commitStart, -1)) === line.slice(beforeHash.length, hashEnd)

/** One parse, one hash. `LOG_CORRUPT` if the line is not what its hash says, or not what belongs at that place. */
export function decodeCommit(line: string, at: { index: number; prev: string }): { commit: Commit; hash: string } {
  const commit = readCommit(line, at.index)
  if (commit.index !== at.index) throw corruptCommit(at.index, `commit ${commit.index} stands in its place`)
  if (commit.prev !== at.prev) throw corruptCommit(at.index, 'it does not follow the commit before it')
  return { commit, hash: line.slice(beforeHash.length, hashEnd) }
}

/** The commit inside a line, its own hash checked, its place in the chain not. `index` is for the message. */
export function readCommit(line: string, index: number): Commit {
  if (readRecordShape(line) === null) throw corruptCommit(index, 'its line does not have the form of a record')
  if (!hashMatches(line)) throw corruptCommit(index, 'its bytes do not have the hash that it carries')
  let commit: Commit | null
  try {
    commit = JSON.parse(line.slice(commitStart, -1)) as Commit | null
  } catch {
    throw corruptCommit(index, 'its bytes have the hash that it carries, and are no JSON')
  }
  // What is in each of them is looked at by whoever folds it: nothing here is done per event.
  if (!Array.isArray(commit?.events)) {
    throw corruptCommit(index, 'its bytes have the hash that it carries, and hold no events')
  }
  return commit
}

export function corruptCommit(index: number, why: string): RepriseError {
  return new RepriseError(
    'LOG_CORRUPT',
    `Commit ${index} of the log is corrupt: ${why}. Nothing was appended. Restore the log from a copy, or take what comes before commit ${index} into a new run.`,
    { details: { index } },
  )
}

/** Whether the events of a record close its run, after which nothing follows. */
export const closesRun = (line: string): boolean =>
  (JSON.parse(line.slice(commitStart, -1)) as Commit).events.some(
    (event) => event.type === 'run-completed' || event.type === 'run-failed',
  )
