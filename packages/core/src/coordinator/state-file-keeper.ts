import { readStateFile, stateFileBody, stateFileText } from '../flow/state-file-text.js'
import type { Runtime } from '../ports/runtime.js'
import type { StateFileStore } from '../ports/state-file.js'
import { RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import type { CommitPipeline } from './commit-pipeline.js'

/** Between two writes: what changes meanwhile is written once. Milliseconds. */
const writeEveryMs = 200

export interface StateFileKeeperOptions {
  readonly store: StateFileStore
  readonly runId: RunId
  readonly runtime: Runtime
  readonly pipeline: CommitPipeline
  /** The file was not as we left it, and has been repaired. Must not throw. */
  readonly onDrift: (drift: StateFileDrift) => void
  /** A write that is tried again with the next change. Must not throw. */
  readonly onFailed: (error: unknown) => void
}

/** How a state file differed from what its run's log says. */
export interface StateFileDrift {
  readonly path: string
  readonly found: 'missing' | 'edited' | 'older' | 'foreign' | 'other-run' | 'other-history'
  /** Where what was found is kept, if it was not ours. */
  readonly keptAs: string | null
  /** One sentence. */
  readonly text: string
}

/**
 * Keeps the state file equal to the log: after commits, never before, in the background, so that the log waits for nothing.
 * What others wrote into it is kept aside.
 */
export class StateFileKeeper {
  private dirty = false
  private writing: Promise<void> | null = null
  /** One write at a time. */
  private turn: Promise<unknown> = Promise.resolve()
  /** What we wrote last. */
  private last: string | null = null
  private readonly ending = new AbortController()

  constructor(private readonly options: StateFileKeeperOptions) {}

  get path(): string {
    return this.options.store.path
  }

  /**
   * For the resume gate: compares the file with the log as it was found, keeps aside what is not ours, and makes it equal to
   * the log as it is now. `null`: nothing had to be repaired. `GATE_FAILED` if the file knows more than the log.
   */
  async repair(found: { readonly version: number; readonly hash: string }): Promise<StateFileDrift | null> {
    const text = await this.read()
    const drift = await this.driftOf(text, found)
    await this.write()
    // A new run has none yet.
    return found.version === 0 && drift?.found === 'missing' ? null : drift
  }

  /** A commit is durable: the file is behind. */
  follow(): void {
    this.dirty = true
    this.writing ??= this.run()
  }

  /** Makes the file equal to the log now, and reads it back. Says what was compared. `STATE_FILE_FAILED` if it cannot. */
  async sync(): Promise<string> {
    const { version, text } = await this.write()
    if ((await this.read()) === text) return `${this.path} was read back and is that of version ${version}`
    throw this.failed('it is not what was just written: somebody else writes it', undefined)
  }

  /** Writes what is left to write, and no more after that. */
  async close(): Promise<void> {
    this.ending.abort()
    await this.writing
    if (this.last === null && !this.dirty) return
    await this.write().catch(this.options.onFailed)
  }

  private async run(): Promise<void> {
    const { runtime, onFailed } = this.options
    while (this.dirty && !this.ending.signal.aborted) {
      this.dirty = false
      try {
        await this.write()
      } catch (error) {
        this.dirty = true
        onFailed(error)
      }
      await runtime.sleep(writeEveryMs, this.ending.signal)
    }
    this.writing = null
  }

  /** Replaces the file by what the newest durable commit says. */
  private write(): Promise<{ version: number; text: string }> {
    const written = this.turn.then(() => this.replace())
    this.turn = written.catch(() => {})
    return written
  }

  private async replace(): Promise<{ version: number; text: string }> {
    const { pipeline, runId, onDrift } = this.options
    const { value: body, version, hash: commit } = await pipeline.snapshot(stateFileBody)
    const text = stateFileText({ runId, version, commit }, body)
    if (this.last !== null) {
      const there = await this.read()
      if (there === text) return { version, text }
      if (there !== this.last) {
        const drift = await this.driftOf(there, { version, hash: commit })
        if (drift !== null) onDrift(drift)
      }
    }
    try {
      await this.options.store.replace(text)
    } catch (error) {
      throw this.failed('it could not be written', error)
    }
    this.last = text
    return { version, text }
  }

  private async read(): Promise<string | null> {
    try {
      return await this.options.store.read()
    } catch (error) {
      throw this.failed('it could not be read', error)
    }
  }

  private async driftOf(text: string | null, log: { version: number; hash: string }): Promise<StateFileDrift | null> {
    const { path } = this
    if (text === null) {
      return { path, found: 'missing', keptAs: null, text: `${path} was missing and has been written` }
    }
    const said = readStateFile(text)
    const { runId } = this.options
    if (said?.intact && said.runId === runId) {
      if (said.version > log.version) throw this.ahead(said.version, log.version)
      if (said.version === log.version && said.commit === log.hash) return null
      if (said.version < log.version) {
        return {
          ...{ path, found: 'older' as const, keptAs: null },
          text: `${path} was of version ${said.version}, the log of ${log.version}; it has been written again`,
        }
      }
    }
    const found =
      said === null ? 'foreign' : said.runId !== runId ? 'other-run' : said.intact ? 'other-history' : 'edited'
    const what = {
      foreign: 'was not a state file',
      'other-run': `was that of run ${said?.runId}`,
      'other-history': 'was of another history of this run',
      edited: 'was edited',
    }[found]
    try {
      const keptAs = await this.options.store.keepAside(text)
      return {
        path,
        found,
        keptAs,
        text: `${path} ${what}; what it said is kept in ${keptAs}, and it has been written again`,
      }
    } catch (error) {
      throw this.failed(`it ${what}, and that could not be kept aside`, error)
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
      `The state file ${this.path} of run ${runId} failed: ${what}${why}. The log is not touched by that. Mend the path or its permissions.`,
      { cause, details: { runId, path: this.path } },
    )
  }
}
