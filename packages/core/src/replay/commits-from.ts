import { upcastCommit } from '../coordinator/load-run.js'
import { ChainReader } from '../log/chain-reader.js'
import { corruptCommit, readCommit } from '../log/commit-record.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { Commit } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import { checkIsLogOf } from './check-is-log-of.js'

export interface CommitsFromOptions {
  /** Commits before it are not read. Default: 0. */
  readonly fromIndex?: number
  /** Goes on with what is appended later, until this aborts or the run is closed. Default: ends at the head. */
  readonly follow?: AbortSignal | undefined
}

/**
 * Commits of a run in order, from any place, their events in their newest form. Each is checked against its own hash and
 * against the one before it; where reading begins in the middle, the first only against its own. So none is missed, and
 * none comes twice, whatever happens between the log and here: `LOG_CORRUPT` instead. `LOG_TOO_NEW` at the first event that
 * this library does not know, `RUN_MISMATCH` for the log of another run, read from its start. One that follows ends behind the commit that closes the run.
 */
export async function* commitsFrom(
  log: CommitLog,
  runId: RunId,
  { fromIndex = 0, follow }: CommitsFromOptions = {},
): AsyncGenerator<Commit> {
  let chain = fromIndex === 0 ? new ChainReader() : null
  const batches = follow === undefined ? log.read(runId, fromIndex) : log.watch(runId, fromIndex, follow)
  for await (const lines of batches) {
    for (const line of lines) {
      let commit: Commit
      if (chain === null) {
        const begun = beginAt(line, fromIndex)
        chain = begun.chain
        commit = begun.commit
      } else {
        commit = chain.next(line)
      }
      if (commit.index === 0)
        for (const { type, data } of commit.events)
          if (type === 'run-opened') await checkIsLogOf(log, runId, data.runId)
      yield upcastCommit(commit)
      if (follow !== undefined && closes(commit) && (await isHead(log, runId, commit.index))) return
    }
  }
}

function beginAt(line: string, index: number): { chain: ChainReader; commit: Commit } {
  const commit = readCommit(line, index)
  if (commit.index !== index) throw corruptCommit(index, `commit ${commit.index} stands in its place`)
  const { version, prev: head } = commit
  // As if everything before it had been read: then the chain takes it as the next.
  const chain = ChainReader.behind({ commits: index, head, first: null, version: version - commit.events.length })
  return { chain, commit: chain.next(line) }
}

/** Nothing follows the end of a run, unless the log is that of a fork. */
async function isHead(log: CommitLog, runId: RunId, index: number): Promise<boolean> {
  const head = await log.head(runId)
  return head === null || head.index <= index
}

/** Whether a commit closes its run. */
const closes = ({ events }: Commit): boolean =>
  events.some(({ type }) => type === 'run-completed' || type === 'run-failed')
