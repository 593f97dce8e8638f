import { dirname } from 'node:path'
import { RepriseError, type RunId } from '@reprise/core/adapter'
import { FolderWatch } from './folder-watch.js'
import { type LogPosition, LogReader } from './log-reader.js'

const pollMs = 100

/**
 * The commits of a log from its start, or from a position that was checked, and those appended later, until `signal` aborts. Follows a log that does not
 * exist yet. `RUN_UNKNOWN` if the run is removed meanwhile.
 *
 * A commit may be shown before its sync has returned. Whoever watches shares the machine with the page cache that it
 * is shown from, so an outage that loses the commit ends the watch as well; only a failing disk can belie it.
 */
export async function* watchLog(
  path: string,
  runId: RunId,
  signal: AbortSignal,
  from: LogPosition,
): AsyncGenerator<string[]> {
  let changed = false
  let wake = () => {}
  const onChange = () => {
    changed = true
    wake()
  }
  let reader: LogReader | null = null
  let folder: FolderWatch | null = null
  signal.addEventListener('abort', onChange)
  try {
    while (!signal.aborted) {
      changed = false
      reader ??= await LogReader.open(path, runId, from)
      if (reader !== null) {
        // Before reading: what lands after the watch began is told, what landed before is read.
        folder ??= new FolderWatch(dirname(path), pollMs, onChange)
        for (let texts = await reader.next(); texts !== null && !signal.aborted; texts = await reader.next()) {
          if (texts.length > 0) yield texts
        }
        if (!signal.aborted && !(await reader.look()).linked) throw removed(runId)
      }
      if (!changed) {
        await new Promise<void>((resolve) => {
          const timer = folder === null ? setTimeout(resolve, pollMs) : undefined
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
    }
  } finally {
    signal.removeEventListener('abort', onChange)
    folder?.close()
    await reader?.close()
  }
}

function removed(runId: RunId): RepriseError {
  return new RepriseError('RUN_UNKNOWN', `Run ${runId} was removed while it was being watched.`, { details: { runId } })
}
