import { readRecordShape } from '../src/log/commit-record.js'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import type { CommitLog } from '../src/ports/commit-log.js'
import type { RunId } from '../src/protocol/ids.js'

export const runId = 'run-1' as RunId

/** A log in memory that holds these lines, and how many of its lines were read. */
export async function loggedRun(lines: readonly string[]): Promise<{ log: CommitLog; read: { lines: number } }> {
  const { log } = memoryAdapter()
  await appendLines(log, lines)
  const read = { lines: 0 }
  async function* counted(batches: AsyncIterable<string[]>) {
    for await (const batch of batches) {
      read.lines += batch.length
      yield batch
    }
  }
  const counting: CommitLog = {
    ...log,
    read: (id, from) => counted(log.read(id, from)),
    watch: (id, from, signal) => counted(log.watch(id, from, signal)),
  }
  return { log: counting, read }
}

export async function appendLines(log: CommitLog, lines: readonly string[]): Promise<void> {
  for (const text of lines) {
    const shape = readRecordShape(text)
    if (shape === null) throw new Error(`not a record: ${text.slice(0, 80)}`)
    await log.append(runId, { ...shape, text })
  }
}
