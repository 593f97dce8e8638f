import { createHash } from 'node:crypto'
import { RepriseError, type RunId } from '@reprise/core/adapter'

/** A run id of 128 characters fits even if every one of them is escaped, so `list` can read all runs from subjects. */
const tokenLengthMax = 400
const hashedPrefixLength = 32

/** What an adapter uses on the server. Everything starts with the prefix, so two prefixes never meet. */
export interface Names {
  readonly prefix: string
  /** All commits of all runs. */
  readonly logStream: string
  readonly logSubjects: string
  logSubject(runId: RunId): string
  /** Where a server tells that the stream was made, deleted, changed or restored. */
  readonly logEvents: string
  /** Receipts and commands on their way to the coordinators. */
  readonly inboxStream: string
  readonly inboxSubjects: string
  inboxSubject(runId: RunId): string
  /** Attempts on their way to workers. */
  readonly tasksStream: string
  readonly tasksSubjects: string
  /** Of the key-value bucket `<prefix>-leases`, as other clients see it. */
  readonly leasesStream: string
  readonly leasesSubjects: string
  /** A name's first part, up to `/`, is a token of its own: permissions can tell runs from workers. */
  leaseSubject(name: string): string
  /** A key of the leases' bucket that only shows the server's time. */
  readonly clockSubject: string
  /** Bytes of artifacts, and where they are. */
  readonly artifactsStream: string
  readonly artifactsSubjects: string
  /** The pieces of one upload. */
  chunksSubject(upload: string): string
  /** Which upload holds the bytes with this digest. */
  artifactSubject(sha256: string): string
  /** Snapshots of runs, a cache. */
  readonly snapshotsStream: string
  readonly snapshotsSubjects: string
  /** Everything of one run. */
  snapshotsOf(runId: RunId): string
  /** Which upload is the newest snapshot of the run: the last message. */
  snapshotSubject(runId: RunId): string
  snapshotChunksSubject(runId: RunId, upload: string): string
  /** What a list of runs says about each, a cache. */
  readonly summariesStream: string
  readonly summariesSubjects: string
  summarySubject(runId: RunId): string
}

export function namesOf(prefix: string): Names {
  checkPrefix(prefix)
  return {
    prefix,
    logStream: `${prefix}-log`,
    logSubjects: `${prefix}.log.*`,
    logSubject: (runId) => `${prefix}.log.${encodeToken(runId)}`,
    logEvents: `$JS.EVENT.ADVISORY.STREAM.*.${prefix}-log`,
    inboxStream: `${prefix}-inbox`,
    inboxSubjects: `${prefix}.inbox.*`,
    inboxSubject: (runId) => `${prefix}.inbox.${encodeToken(runId)}`,
    tasksStream: `${prefix}-tasks`,
    tasksSubjects: `${prefix}.tasks.>`,
    leasesStream: `KV_${prefix}-leases`,
    leasesSubjects: `$KV.${prefix}-leases.>`,
    leaseSubject: (name) => `$KV.${prefix}-leases.${leaseKey(name)}`,
    clockSubject: `$KV.${prefix}-leases.=clock`,
    artifactsStream: `${prefix}-artifacts`,
    artifactsSubjects: `${prefix}.artifacts.>`,
    chunksSubject: (upload) => `${prefix}.artifacts.chunk.${upload}`,
    artifactSubject: (sha256) => `${prefix}.artifacts.sha256.${sha256}`,
    snapshotsStream: `${prefix}-snapshots`,
    snapshotsSubjects: `${prefix}.snapshots.>`,
    snapshotsOf: (runId) => `${prefix}.snapshots.${encodeToken(runId)}.>`,
    snapshotSubject: (runId) => `${prefix}.snapshots.${encodeToken(runId)}.newest`,
    snapshotChunksSubject: (runId, upload) => `${prefix}.snapshots.${encodeToken(runId)}.chunk.${upload}`,
    summariesStream: `${prefix}-summaries`,
    summariesSubjects: `${prefix}.summaries.*`,
    summarySubject: (runId) => `${prefix}.summaries.${encodeToken(runId)}`,
  }
}

/**
 * One token of a subject, or part of the name of a consumer, for any text; different texts give different tokens.
 * Letters, digits, `_` and `-` stay, every other byte of its UTF-8 is `=` and two hex digits. What would be longer
 * than `lengthMax` ends in `=~` and a hash; `decodeToken` does not know those.
 */
export function encodeToken(text: string, lengthMax = tokenLengthMax): string {
  // The empty text has a token too.
  const token = /^[A-Za-z0-9_-]+$/.test(text) ? text : escapeBytes(text) || '='
  if (token.length <= lengthMax) return token
  return `${token.slice(0, hashedPrefixLength)}=~${createHash('sha256').update(text, 'utf16le').digest('hex')}`
}

/** The text that `encodeToken` made this token of, or `null`: a foreign subject, or a text too long to be told. */
export function decodeToken(token: string): string | null {
  const escaped = token === '=' ? '' : token.replace(/=([0-9A-F]{2})/g, '%$1')
  try {
    const text = decodeURIComponent(escaped)
    return encodeToken(text) === token ? text : null
  } catch {
    return null
  }
}

function leaseKey(name: string): string {
  const slash = name.indexOf('/')
  if (slash === -1) return encodeToken(name)
  return `${encodeToken(name.slice(0, slash))}.${encodeToken(name.slice(slash + 1))}`
}

const escapeBytes = (text: string): string =>
  Array.from(Buffer.from(text), (byte) => {
    const character = String.fromCharCode(byte)
    return /[A-Za-z0-9_-]/.test(character) ? character : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')

function checkPrefix(prefix: unknown): void {
  if (typeof prefix === 'string' && /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(prefix)) return
  throw new RepriseError(
    'INVALID_INPUT',
    'The prefix must be 1 to 64 of A-Z a-z 0-9 _ - and start with a letter or digit.',
  )
}
