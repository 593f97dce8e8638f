import type { CommitRecord } from '../log/commit-record.js'
import { checkRecord, checkRemovable, versionConflict } from '../log/log-rules.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { RunId } from '../protocol/ids.js'
import { Bell } from './bell.js'
import type { MemoryProcess } from './memory-process.js'

/** What several adapters share: the records of each run. */
export class MemoryRuns {
  readonly records = new Map<RunId, CommitRecord[]>()
  readonly appended = new Bell()
}

// Small, so that tests with a few hundred commits see several batches.
const batchMax = 64

/** `forget` drops what is kept beside a log that is removed. */
export function memoryLog(runs: MemoryRuns, process: MemoryProcess, forget: (runId: RunId) => void): CommitLog {
  const recordsOf = (runId: RunId): CommitRecord[] => runs.records.get(runId) ?? []

  function append(runId: RunId, record: CommitRecord): void {
    checkRecord(runId, record)
    const records = recordsOf(runId)
    const there = records[record.index]
    if (there?.hash === record.hash) return
    if (record.index !== records.length) throw versionConflict(runId, record.index, records.length)
    if (records.length === 0) runs.records.set(runId, [record])
    else records.push(record)
    runs.appended.ring()
  }

  async function* read(runId: RunId, fromIndex = 0): AsyncIterable<string[]> {
    await process.pass('log', 'read', 'before', runId)
    const end = recordsOf(runId).length
    for (let index = fromIndex; index < end; index += batchMax) {
      yield textsOf(recordsOf(runId).slice(index, Math.min(end, index + batchMax)))
      await process.pass('log', 'read', 'after', runId)
    }
  }

  async function* watch(runId: RunId, fromIndex: number, signal: AbortSignal): AsyncIterable<string[]> {
    await process.pass('log', 'watch', 'before', runId)
    let index = fromIndex
    while (!signal.aborted && !process.closing.aborted) {
      const texts = textsOf(recordsOf(runId).slice(index, index + batchMax))
      if (texts.length === 0) {
        await runs.appended.wait(signal, process.closing)
        await process.alive()
        continue
      }
      index += texts.length
      await process.pass('log', 'watch', 'after', runId)
      yield texts
    }
  }

  async function* list(prefix = ''): AsyncIterable<RunId> {
    await process.pass('log', 'list', 'before', null)
    for (const runId of [...runs.records.keys()]) if (runId.startsWith(prefix)) yield runId
  }

  function remove(runId: RunId): void {
    checkRemovable(runId, recordsOf(runId).at(-1)?.text)
    runs.records.delete(runId)
    forget(runId)
  }

  return {
    append: (runId, record) => process.call('log', 'append', runId, () => append(runId, record)),
    read,
    head: (runId) => process.call('log', 'head', runId, () => headOf(recordsOf(runId))),
    watch,
    list,
    remove: (runId) => process.call('log', 'remove', runId, () => remove(runId)),
  }
}

const textsOf = (records: readonly CommitRecord[]): string[] => records.map((record) => record.text)

function headOf(records: readonly CommitRecord[]): { index: number; hash: string } | null {
  const last = records.at(-1)
  return last === undefined ? null : { index: last.index, hash: last.hash }
}
