import { isAscii, isUtf8 } from 'node:buffer'
import { headers, type MsgHdrs } from '@nats-io/transport-node'
import { type CommitRecord, RepriseError, type RunId, readRecordShape } from '@reprise/core/adapter'
import { encodeToken } from './names.js'
import type { StoredMessage } from './stored-message.js'

/** Where a commit is in the stream. */
export interface CommitEntry {
  readonly kind: 'commit'
  /** Of its message in the stream: what the next append must expect. */
  readonly seq: number
  readonly index: number
  readonly hash: string
  /** Sequence of the removal behind which this life of the run began; 0 for the first. */
  readonly life: number
}

/** The run was removed here: what is before does not count any more. */
export interface RemovalEntry {
  readonly kind: 'removal'
  readonly seq: number
}

export type LogEntry = CommitEntry | RemovalEntry

/** `<index> <hash> <life>`: so that comparing commits needs no parsing of them. */
const commitHeader = 'Reprise-Commit'
const removedHeader = 'Reprise-Removed'

export function commitHeaders(runId: RunId, record: CommitRecord, expectedSeq: number, life: number): MsgHdrs {
  const result = expecting(expectedSeq)
  // The same message again is recognised by the server; another life or run makes it another message.
  result.set('Nats-Msg-Id', `${record.hash}.${expectedSeq}.${encodeToken(runId)}`)
  result.set(commitHeader, `${record.index} ${record.hash} ${life}`)
  return result
}

export function removalHeaders(expectedSeq: number): MsgHdrs {
  const result = expecting(expectedSeq)
  result.set(removedHeader, 'true')
  return result
}

/** `LOG_CORRUPT` if it is neither a commit nor a removal of ours. */
export function readEntry({ seq, headers: found }: StoredMessage, runId: RunId): LogEntry {
  const match = /^(\d{1,15}) ([0-9a-f]{64}) (\d{1,15})$/.exec(found?.get(commitHeader) ?? '')
  if (match !== null) {
    const [, index, hash = '', life] = match
    return { kind: 'commit', seq, index: Number(index), hash, life: Number(life) }
  }
  if (found?.get(removedHeader) === 'true') return { kind: 'removal', seq }
  throw corrupt(runId, `message ${seq} of its subject is not of this library`)
}

/** The exact text of the commit with that index. `LOG_CORRUPT` if the message holds something else. */
export function readText({ data, seq }: StoredMessage, index: number, runId: RunId): string {
  const text = decodeText(data)
  if (text === null) throw corrupt(runId, `commit ${index} (message ${seq}) is not UTF-8`)
  if (readRecordShape(text)?.index === index) return text
  throw corrupt(runId, `message ${seq} does not hold commit ${index}, which belongs there`)
}

/** Strict: replacement characters could stand for damaged bytes, and give the right text over wrong ones. */
function decodeText(data: Uint8Array): string | null {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  // Most commits are, and then copying them is enough.
  if (isAscii(bytes)) return bytes.toString('latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : null
}

/** The index that comes next. */
export const indexAfter = (entry: LogEntry | null): number => (entry?.kind === 'commit' ? entry.index + 1 : 0)

export const isSameEntry = (one: LogEntry, other: LogEntry): boolean =>
  one.seq === other.seq &&
  (one.kind === 'commit'
    ? other.kind === 'commit' && one.index === other.index && one.hash === other.hash
    : other.kind === 'removal')

export const corrupt = (runId: RunId, why: string): RepriseError =>
  new RepriseError(
    'LOG_CORRUPT',
    `The log of run ${runId} is damaged: ${why}. Restore the stream from a backup, and find out who wrote to it.`,
    { details: { runId } },
  )

function expecting(seq: number): MsgHdrs {
  const result = headers()
  result.set('Nats-Expected-Last-Subject-Sequence', String(seq))
  return result
}
