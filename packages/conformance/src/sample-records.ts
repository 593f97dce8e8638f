import type { CommitLog, CommitRecord, RunId } from '@reprise/core/adapter'
import { encodeCommit, genesisHash } from '@reprise/core/testing'
import { collect } from './outcome.js'

export const runId = (id: string): RunId => id as RunId

/** A valid record with one event: the one after `previous`, or the first. */
export function recordAfter(previous: CommitRecord | null, eventText: string): CommitRecord {
  const index = previous === null ? 0 : previous.index + 1
  return encodeCommit(
    {
      index,
      version: index + 1,
      epoch: 0,
      at: '2030-01-01T00:00:00.000Z',
      actor: 'conformance',
      prev: previous === null ? genesisHash : previous.hash,
    },
    [eventText],
  )
}

export const note = (text: string): string => `{"type":"note-added","v":1,"data":{"text":${JSON.stringify(text)}}}`

/** The event that closes a run. */
export const completed = '{"type":"run-completed","v":1,"data":{"summary":"done"}}'

/** A history of `count` records. Histories with other labels differ in every record. */
export function history(count: number, label = 'note'): CommitRecord[] {
  const records: CommitRecord[] = []
  for (let index = 0; index < count; index++) {
    records.push(recordAfter(records.at(-1) ?? null, note(`${label} ${index}`)))
  }
  return records
}

export const textsOf = (records: readonly CommitRecord[]): string[] => records.map((record) => record.text)

export async function appendAll(log: CommitLog, run: RunId, records: readonly CommitRecord[]): Promise<void> {
  for (const record of records) await log.append(run, record)
}

export const readAll = async (log: CommitLog, run: RunId, fromIndex?: number): Promise<string[]> =>
  (await collect(log.read(run, fromIndex))).flat()
