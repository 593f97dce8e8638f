import { ChainReader } from '../log/chain-reader.js'
import { readCommit } from '../log/commit-record.js'
import type { CommitLog } from '../ports/commit-log.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { EventType } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import { upcastEvent } from '../protocol/upcast.js'
import type { PortGuard } from './port-guard.js'
import { endedRun, followCommit, unreadRun, type WatchedRun } from './watched-run.js'

const endings: ReadonlySet<EventType> = new Set(['run-completed', 'run-failed'])

/** One log, read once from its start and then only where it has grown. Every commit is checked against its hash. */
export class LogFollower {
  #chain = new ChainReader()
  #run = unreadRun()
  /** A log that cannot be read is not read again before something is appended to it. */
  #broken: { readonly hash: string; readonly error: unknown } | null = null

  constructor(
    private readonly log: CommitLog,
    private readonly runId: RunId,
    private readonly guard: PortGuard,
  ) {}

  /**
   * The run as its log stands now; `null` if there is none (any more). One that has ended is known by its last commit. What was read before a failure is not read again,
   * unless the log turns out to be another one.
   */
  async catchUp(): Promise<WatchedRun | null> {
    const what = `Reading the log of run ${this.runId}`
    const head = await this.guard.call('log', what, () => this.log.head(this.runId))
    if (head === null) return null
    if (this.#broken?.hash === head.hash) throw this.#broken.error
    this.#broken = null
    if (
      head.index + 1 < this.#chain.commits ||
      (head.index + 1 === this.#chain.commits && head.hash !== this.#chain.head)
    ) {
      // It was removed and opened anew, or put back from a copy.
      this.#startOver()
    }
    if (head.index + 1 === this.#chain.commits) return this.#run
    const from = this.#chain.commits
    try {
      // Most runs have ended long ago: nothing else of them has to be read.
      if (from === 0 && (await this.#isClosedAt(head.index, what))) return endedRun()
      for await (const lines of this.guard.each('log', what, () => this.log.read(this.runId, from))) {
        for (const line of lines) this.#take(line)
      }
      this.#checkRunId()
    } catch (error) {
      if (isRepriseError(error) && error.retry === 'never') {
        this.#startOver()
        // Or else it may be whole, and another than the one that was read before.
        if (from === 0) this.#broken = { hash: head.hash, error }
      }
      throw error
    }
    return this.#run
  }

  async #isClosedAt(index: number, what: string): Promise<boolean> {
    for await (const lines of this.guard.each('log', what, () => this.log.read(this.runId, index))) {
      if (lines.some((line) => readCommit(line, index).events.some(({ type }) => endings.has(type)))) return true
    }
    return false
  }

  #take(line: string): void {
    const { events } = this.#chain.next(line)
    followCommit(this.#run, { events: events.map((event) => upcastEvent(event)) })
  }

  /** Once everything is read: a fork begins as the log of another run. */
  #checkRunId(): void {
    const { runId } = this.#run
    if (runId === null || runId === this.runId) return
    throw new RepriseError('RUN_MISMATCH', `The log under the name ${this.runId} is that of run ${runId}.`, {
      details: { runId: this.runId, found: runId },
    })
  }

  #startOver(): void {
    this.#chain = new ChainReader()
    this.#run = unreadRun()
  }
}
