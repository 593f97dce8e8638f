import { foldCommit, upcastCommit } from '../coordinator/load-run.js'
import { initialState } from '../flow/reduce-event.js'
import { ChainReader } from '../log/chain-reader.js'
import type { CommitRecord } from '../log/commit-record.js'
import { RepriseError } from '../protocol/errors.js'
import type { Commit } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'

/** What a log that was read to its end has come to. */
export interface LogSummary {
  readonly runId: RunId
  readonly commits: number
  readonly version: number
  /** Hash of the newest commit. */
  readonly head: string
  /** Whether the run can go on. */
  readonly open: boolean
}

/** Checks a log line by line before anything is done with it: hashes, places, events that are known and can follow. */
export class CheckedLog {
  readonly chain = new ChainReader()
  state: RunState = initialState()

  /**
   * `LOG_CORRUPT` for a commit that does not belong there, or whose events cannot follow; `LOG_TOO_NEW` for an event that
   * this library does not know.
   */
  next(line: string): { readonly commit: Commit; readonly record: CommitRecord } {
    const stored = this.chain.next(line)
    const commit = upcastCommit(stored)
    this.state = foldCommit(this.state, commit)
    if (this.state.runId === null) throw notBegun()
    return { commit, record: { index: commit.index, hash: this.chain.head, text: line } }
  }

  /** `INVALID_INPUT` if there was no line. */
  summary(): LogSummary {
    const { commits, version, head } = this.chain
    const { runId, mode } = this.state
    if (runId === null) throw new RepriseError('INVALID_INPUT', 'There is not one commit to read.')
    return { runId, commits, version, head, open: mode !== 'closed' }
  }
}

const notBegun = (): RepriseError =>
  new RepriseError(
    'LOG_CORRUPT',
    'Commit 0 of the log is intact, and does not begin with run-opened: this is no log of a run.',
    { details: { index: 0 } },
  )
