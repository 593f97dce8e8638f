import { judgeStateFile, type StateFileDriftKind, type StateFileVerdict } from '../flow/judge-state-file.js'
import { readStateFile, type StateFileOrigin, stateFileBody, stateFileText } from '../flow/state-file-text.js'
import type { Runtime } from '../ports/runtime.js'
import type { StateFileStore } from '../ports/state-file.js'
import { RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import { answered } from './answered.js'
import type { CommitPipeline } from './commit-pipeline.js'

/** Between two writes: what changes meanwhile is written once. Milliseconds. */
const writeEveryMs = 200
/** Between two writes that fail, at most. Milliseconds. */
const writeBackoffMaxMs = 5_000
/** Somebody who writes as often as we do must not keep us busy for ever. */
const replaceTriesMax = 5
/** Texts that one keeper keeps aside: two programs on one file must not fill the disk. */
const keptMax = 20

export interface StateFileKeeperOptions {
  readonly store: StateFileStore
  readonly runId: RunId
  readonly runtime: Runtime
  readonly pipeline: CommitPipeline
  /** The file was not as we left it, and is repaired now. Must not throw. */
  readonly onDrift: (drift: StateFileDrift) => void
  /** A write that is tried again. Must not throw. */
  readonly onFailed: (error: unknown) => void
}

/** How a state file differed from what its run's log says. */
export interface StateFileDrift {
  readonly path: string
  readonly found: StateFileDriftKind
  /** Where what was found is kept, if it was not ours. */
  readonly keptAs: string | null
  /** One sentence. */
  readonly text: string
}

interface Written {
  readonly version: number
  readonly text: string
}

/**
 * Keeps the state file equal to the log: after commits, never before, in the background, so that the log waits for nothing.
 * What others wrote into it is kept aside. It writes nothing before `repair` has looked at what stands there.
 */
export class StateFileKeeper {
  private dirty = false
  private writing: Promise<void> | null = null
  /** One at a time. */
  private turn: Promise<unknown> = Promise.resolve()
  /** What should stand there: what we wrote last, or what `repair` has judged. `undefined`: not looked at yet. */
  private expected: string | null | undefined
  /** Given to the store, which did not say that it stands there: it may all the same. */
  private offered: string | undefined
  private kept = 0
  private stopped = false
  private readonly ending = new AbortController()

  constructor(private readonly options: StateFileKeeperOptions) {}

  get path(): string {
    return this.options.store.path
  }

  /**
   * For the resume gate: compares the file with the log as it was found, keeps aside what is not ours, and makes it equal to
   * the log as it is now. `null`: nothing had to be repaired. `GATE_FAILED` if the file knows more than the log.
   */
  repair(found: { readonly version: number; readonly hash: string }): Promise<StateFileDrift | null> {
    return this.inTurn(async () => {
      const text = await this.read()
      const { runId } = this.options
      const verdict = judgeStateFile(text, { runId, version: found.version, commit: found.hash })
      if (verdict.found === 'ahead') throw this.ahead(verdict.version, found.version)
      const drift = await this.driftOf(verdict, text)
      this.expected = text
      await this.replace()
      // A new run has none yet.
      return found.version === 0 && drift?.found === 'missing' ? null : drift
    })
  }

  /** A commit is durable: the file is behind. */
  follow(): void {
    if (this.expected === undefined) return
    this.dirty = true
    this.writing ??= this.run()
  }

  /** Makes the file equal to the log now, and reads it back. Says what was compared. `STATE_FILE_FAILED` if it cannot. */
  sync(): Promise<string> {
    return this.inTurn(async () => {
      const { version, text } = await this.replace()
      if ((await this.read()) === text) return `${this.path} was read back and is that of version ${version}`
      throw this.failed('it is not what was just written: somebody else writes it', undefined)
    })
  }

  /** Makes the file equal to the log now; a failure is told like one in the background. */
  async flush(): Promise<void> {
    if (this.expected === undefined || this.stopped) return
    try {
      await this.inTurn(() => this.replace())
    } catch (error) {
      this.tell(error)
    }
  }

  /** Writes what is left to write, and no more after that. */
  async close(): Promise<void> {
    this.ending.abort()
    await this.writing
    await this.flush()
  }

  /** Writes no more: the run is somebody else's, or the log says nothing any more. */
  stop(): void {
    this.stopped = true
    this.ending.abort()
  }

  private async run(): Promise<void> {
    const { runtime } = this.options
    const { signal } = this.ending
    let waitMs = writeEveryMs
    while (this.dirty && !signal.aborted) {
      this.dirty = false
      try {
        await this.inTurn(() => this.replace())
        waitMs = writeEveryMs
      } catch (error) {
        this.dirty = true
        this.tell(error)
        waitMs = Math.min(waitMs * 2, writeBackoffMaxMs)
      }
      await runtime.sleep(waitMs, signal)
    }
    this.writing = null
  }

  private tell(error: unknown): void {
    if (!this.stopped) this.options.onFailed(error)
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.turn.then(work)
    this.turn = done.catch(() => {})
    return done
  }

  /** Replaces the file by what the newest durable commit says. */
  private async replace(): Promise<Written> {
    const { pipeline, runId, onDrift } = this.options
    const { value: body, version, hash: commit } = await pipeline.snapshot(stateFileBody)
    const text = stateFileText({ runId, version, commit }, body)
    for (let tries = 0; tries < replaceTriesMax; tries++) {
      const there = await this.read()
      if (there === this.offered) this.expected = there
      if (there !== text && there !== this.expected) {
        const drift = await this.driftOf(await this.judge(there, { runId, version, commit }), there)
        if (drift !== null) onDrift(drift)
        this.expected = there
      }
      if (there === text || (await this.put(text, there))) {
        this.expected = text
        this.offered = undefined
        return { version, text }
      }
    }
    throw this.failed(`somebody else wrote it ${replaceTriesMax} times meanwhile`, undefined)
  }

  /** Of a file that is not as this keeper left it. */
  private async judge(text: string | null, log: StateFileOrigin): Promise<StateFileVerdict> {
    const verdict = judgeStateFile(text, log, readStateFile(this.expected ?? ''))
    if (verdict.found === 'same') return { found: 'edited', isOurs: false, what: 'was edited' }
    if (verdict.found !== 'ahead') return verdict
    // Most likely a successor wrote it. Its commits say so, and then this coordinator ends.
    await this.options.pipeline.checkFence().catch(() => {})
    throw this.failed(
      `it is of version ${verdict.version} and the log was of ${log.version} here, so that another coordinator may hold the run, or somebody put it there; it is left as it is, move it away if it is wrong`,
      undefined,
    )
  }

  private async driftOf(verdict: StateFileVerdict, text: string | null): Promise<StateFileDrift | null> {
    if (verdict.found === 'same' || verdict.found === 'ahead') return null
    const { path } = this
    const { found, what, isOurs } = verdict
    const keptAs = isOurs || text === null ? null : await this.keepAside(text, what)
    const keeping = keptAs === null ? '' : `what it said is kept in ${keptAs}, and `
    return { path, found, keptAs, text: `${path} ${what}; ${keeping}it has been written again` }
  }

  private async keepAside(text: string, what: string): Promise<string> {
    if (this.kept === keptMax) {
      const advice = `${keptMax} texts are kept beside it already: give each run a file of its own, and let nobody else write it`
      throw this.failed(`it ${what}, and ${advice}`, undefined)
    }
    const kept = await this.call(this.options.store.keepAside(text), `it ${what}, and that could not be kept aside`)
    this.kept++
    return kept
  }

  private read(): Promise<string | null> {
    return this.call(this.options.store.read(), 'it could not be read')
  }

  private put(text: string, expected: string | null): Promise<boolean> {
    this.offered = text
    return this.call(this.options.store.replace(text, expected), 'it could not be written')
  }

  private async call<T>(call: Promise<T>, what: string): Promise<T> {
    try {
      return await answered(call, `The state file ${this.path}`, this.options.runtime)
    } catch (error) {
      throw this.failed(what, error)
    }
  }

  /** The log must never know less than what was shown: then commits were lost, or another log is there. */
  private ahead(version: number, ofLog: number): RepriseError {
    const { runId } = this.options
    return new RepriseError(
      'GATE_FAILED',
      `The state file ${this.path} is of version ${version} of run ${runId}, and the log ends at version ${ofLog}: commits that were shown are gone. Look whether the adapter points to the right place and whether the log was restored from an old copy. If that is meant, move the state file away and open the run again.`,
      { details: { gate: 'state-file', runId, path: this.path, version, logVersion: ofLog } },
    )
  }

  private failed(what: string, cause: unknown): RepriseError {
    const { runId } = this.options
    const why = cause === undefined ? '' : ` (${(cause as Error)?.message ?? cause})`
    return new RepriseError(
      'STATE_FILE_FAILED',
      `The state file ${this.path} of run ${runId} failed: ${what}${why}. The log is not touched by that. Mend the path, its permissions or the space on its disk; an open run writes the file again by itself.`,
      { cause, details: { runId, path: this.path } },
    )
  }
}
