import { type Adapter, RepriseError } from '@reprise/core'

type Log = Adapter['log']

/** The same log, of which no more is read once the signal aborts: then reading fails with `ABORTED`. */
export const stoppableLog = (log: Log, signal: AbortSignal): Log => ({
  append: (runId, record) => log.append(runId, record),
  async *read(runId, fromIndex) {
    for await (const lines of log.read(runId, fromIndex)) {
      if (signal.aborted) {
        throw new RepriseError('ABORTED', `Reading run ${runId} was stopped. Nothing was changed.`, {
          details: { runId },
        })
      }
      yield lines
    }
  },
  head: (runId) => log.head(runId),
  watch: (runId, fromIndex, until) => log.watch(runId, fromIndex, until),
  list: (prefix) => log.list(prefix),
  remove: (runId) => log.remove(runId),
  ...(log.stored !== undefined && { stored: log.stored.bind(log) }),
})
