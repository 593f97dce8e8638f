import { foldCommit, upcastCommit } from '../coordinator/load-run.js'
import type { ChainReader } from '../log/chain-reader.js'
import type { Commit } from '../protocol/events.js'
import type { RunState } from '../protocol/state.js'
import type { Stop } from './where.js'

/** The newest commit of which something is in a state. */
export interface LastCommit extends Pick<Commit, 'index' | 'version' | 'at' | 'actor' | 'epoch'> {
  readonly hash: string
  /** Of its events, so many are in the state: all of them, unless the version lies inside it. */
  readonly folded: number
  readonly events: number
}

/** Folds the lines of a log up to a stop. */
export class FoldTo {
  /** Of the first commit, if it is later than the time at which to stop. */
  openedLater: string | null = null
  private commit: Commit | null = null
  private hash = ''
  private folded = 0

  constructor(
    private readonly stop: Stop,
    /** Used up: go on with this one. */
    public state: RunState,
    readonly chain: ChainReader,
  ) {}

  /** The state is the one that this commit left, at which the chain stands. */
  standOn(commit: Commit): void {
    this.note(commit, commit.events.length)
  }

  /** Checks a line, and folds what of it is not behind the stop. Whether the next one may still be before it. */
  take(line: string): boolean {
    const commit = upcastCommit(this.chain.next(line))
    if ('at' in this.stop && commit.at > this.stop.at) {
      if (commit.index === 0) this.openedLater = commit.at
      return false
    }
    const room = 'version' in this.stop ? this.stop.version - this.state.version : Number.POSITIVE_INFINITY
    const isWhole = commit.events.length <= room
    this.state = foldCommit(this.state, isWhole ? commit : { ...commit, events: commit.events.slice(0, room) })
    this.note(commit, isWhole ? commit.events.length : room)
    return !this.isThere
  }

  private note(commit: Commit, folded: number): void {
    this.commit = commit
    this.hash = this.chain.head
    this.folded = folded
  }

  /** Nothing more is to be folded. */
  get isThere(): boolean {
    return 'version' in this.stop && this.state.version >= this.stop.version
  }

  get last(): LastCommit | null {
    if (this.commit === null || this.folded === 0) return null
    const { index, version, at, actor, epoch, events } = this.commit
    return { index, version, at, actor, epoch, hash: this.hash, folded: this.folded, events: events.length }
  }
}
