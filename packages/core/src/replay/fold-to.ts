import { foldCommit } from '../coordinator/load-run.js'
import type { Commit } from '../protocol/events.js'
import type { RunState } from '../protocol/state.js'
import type { Stop } from './where.js'

/** The newest commit of which something is in a state. */
export interface LastCommit extends Pick<Commit, 'index' | 'version' | 'at' | 'actor' | 'epoch'> {
  /** Of its events, so many are in the state: all of them, unless the version lies inside it. */
  readonly folded: number
  readonly events: number
}

/** Folds checked commits up to a stop. */
export class FoldTo {
  /** Of the first commit, if it is later than the time at which to stop. */
  openedLater: string | null = null
  private commit: Commit | null = null
  private folded = 0

  constructor(
    private readonly stop: Stop,
    /** Used up by folding: go on with the one that is here. */
    public state: RunState,
  ) {}

  /** The state is the one that this commit left. */
  standOn(commit: Commit): void {
    this.commit = commit
    this.folded = commit.events.length
  }

  /** Folds what is not behind the stop. `skip`: its first events are in the state already. Whether more may follow. */
  take(commit: Commit, skip = 0): boolean {
    if ('at' in this.stop && commit.at > this.stop.at) {
      if (commit.index === 0) this.openedLater = commit.at
      return false
    }
    const end = Math.min(commit.events.length, skip + this.room)
    const isWhole = skip === 0 && end === commit.events.length
    if (end > skip)
      this.state = foldCommit(this.state, isWhole ? commit : { ...commit, events: commit.events.slice(skip, end) })
    this.commit = commit
    this.folded = end
    return !this.isThere
  }

  /** Nothing more is to be folded. */
  get isThere(): boolean {
    return this.room <= 0
  }

  /** How many events of this commit are in the state, which nothing behind it is. */
  foldedOf(commit: Commit): number {
    return this.commit === commit ? this.folded : 0
  }

  get last(): LastCommit | null {
    if (this.commit === null || this.folded === 0) return null
    const { index, version, at, actor, epoch, events } = this.commit
    return { index, version, at, actor, epoch, folded: this.folded, events: events.length }
  }

  private get room(): number {
    return 'version' in this.stop ? this.stop.version - this.state.version : Number.POSITIVE_INFINITY
  }
}
