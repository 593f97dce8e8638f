import { genesisHash } from '../log/commit-record.js'
import type { StoredPiece } from '../ports/commit-log.js'
import type { Commit } from '../protocol/events.js'
import { classifyPiece, type PieceKind } from './classify-piece.js'
import type { LogRemains } from './count-remains.js'
import { type LogProblem, type LogProblemKind, logProblem } from './log-problem.js'

/** What is right before some place. */
export interface Prefix {
  readonly commits: number
  readonly version: number
  readonly head: string
}

interface Rival {
  readonly index: number
  readonly hash: string
  readonly place: string
  readonly before: Prefix
}

interface Suspect {
  readonly kind: Exclude<PieceKind, { is: 'commit' }>
  readonly place: string
  readonly before: Prefix
}

/**
 * Goes through everything that is stored for a run, piece by piece, in constant memory, and finds the first piece that
 * does not belong there. It says why a log is bad, not whether: that is for the adapter, which knows its torn lines.
 */
export class PieceWalk {
  /** Of the commits that are right, up to the first that is not. */
  commits = 0
  version = 0
  head = genesisHash
  first: string | null = null
  pieces = 0
  /** Whole commits behind the first bad one. */
  later = 0
  #torn = 0
  #tornTail = false
  #passedOver = 0
  #found: LogProblem | null = null
  /** Not intact, and nothing has taken its place yet. */
  #suspect: Suspect | null = null
  /** The first that something took the place of: the adapter may see it otherwise. */
  #passed: Suspect | null = null
  /** The newest commit whose place was taken, and the first: where each has a place of its own, it is in the wrong one. */
  #rival: Rival | null = null
  #repeated: Rival | null = null
  #gapBefore: number | null = null
  #placeOfWanted: string | null = null

  readonly #wanted: number | null
  readonly #readable: number

  /** `wanted`: index of a commit whose place is asked for. `readable`: so many commits the adapter has given. */
  constructor({ wanted = null, readable = 0 }: { wanted?: number | null; readable?: number }) {
    this.#wanted = wanted
    this.#readable = readable
  }

  get remains(): LogRemains {
    return { torn: this.#torn, tornTail: this.#tornTail, passedOver: this.#passedOver }
  }

  get placeOfWanted(): string | null {
    return this.#placeOfWanted
  }

  get #before(): Prefix {
    const { commits, version, head } = this
    return { commits, version, head }
  }

  take(piece: StoredPiece): void {
    this.pieces++
    const kind = classifyPiece(piece)
    this.#tornTail = kind.is !== 'commit' && !piece.whole && piece.length > 0
    if (kind.is === 'commit') this.#takeCommit(kind.commit, kind.hash, piece.place)
    else if (this.#found === null) this.#takeOther(kind, piece.place)
  }

  /** Why the log is bad, given that it is, and what is right before that; `null` if nothing that is stored shows it. */
  problem(): { problem: LogProblem; before: Prefix } | null {
    const suspect = this.#suspect ?? this.#passed
    if (this.#found !== null) return { problem: this.#found, before: this.#before }
    if (suspect !== null) return { problem: problemOf(suspect), before: suspect.before }
    if (this.#repeated === null) return null
    const { index, place, before } = this.#repeated
    const message = `In the place of commit ${before.commits} stands a commit ${index}, of which there is one before.`
    return { problem: logProblem('repeated', before.commits, place, message), before }
  }

  #takeCommit(commit: Commit, hash: string, place: string): void {
    const { index, prev } = commit
    if (this.#found !== null) {
      this.later++
      if (index === this.commits && prev === this.head) this.#misplaced(place)
    } else if (index < this.commits) {
      this.#passedOver++
      this.#rival = { index, hash, place, before: this.#before }
      if (this.commits >= this.#readable) this.#repeated ??= this.#rival
    } else if (index > this.commits) {
      this.later++
      if (this.#suspect !== null) this.#found = problemOf(this.#suspect)
      else this.#gap(index, place)
    } else if (prev !== this.head) this.#fork(prev, place)
    else this.#accept(commit, hash, place)
  }

  #takeOther(kind: Suspect['kind'], place: string): void {
    const suspect = { kind, place, before: this.#before }
    if (kind.is === 'impossible') this.#found = problemOf(suspect)
    else if (kind.is !== 'empty') {
      this.#torn++
      this.#suspect ??= suspect
    }
  }

  #accept(commit: Commit, hash: string, place: string): void {
    const version = this.version + commit.events.length
    if (commit.version !== version) {
      const message = `Commit ${this.commits} says version ${commit.version}; its events make it ${version}.`
      this.#found = logProblem('impossible', this.commits, place, message)
      return
    }
    if (this.commits === this.#wanted) this.#placeOfWanted = place
    this.commits++
    this.version = version
    this.head = hash
    this.first ??= hash
    if (this.#suspect !== null && this.#suspect.before.commits >= this.#readable) this.#passed ??= this.#suspect
    this.#suspect = null
  }

  #gap(index: number, place: string): void {
    this.#gapBefore = index
    const behind = this.commits === 0 ? 'the log begins' : `commit ${this.commits - 1} is followed`
    const message = `Commit ${this.commits} is missing: ${behind} ${this.commits === 0 ? 'with' : 'by'} commit ${index}.`
    this.#found = logProblem('missing', this.commits, place, message)
  }

  /** What was missing is there, behind what it should stand before. */
  #misplaced(place: string): void {
    if (this.#gapBefore === null) return
    const message = `Commit ${this.commits} stands behind commit ${this.#gapBefore}: their order was changed.`
    this.#found = logProblem('reordered', this.commits, place, message)
    this.#gapBefore = null
  }

  #fork(prev: string, place: string): void {
    const { commits } = this
    const rival = this.#rival?.index === commits - 1 && this.#rival.hash === prev ? this.#rival : null
    const message =
      commits === 0
        ? 'Commit 0 says that another comes before it.'
        : rival !== null
          ? `There are two histories: commit ${commits} follows the commit ${commits - 1} at ${rival.place}, not the one that came first.`
          : `There are two histories: commit ${commits} does not follow the commit ${commits - 1} that stands before it.`
    this.#found = logProblem('forked', commits, place, message)
  }
}

function problemOf({ kind, before, place }: Suspect): LogProblem {
  const [name, message] = told(kind, before.commits)
  return logProblem(name, before.commits, place, message)
}

function told(kind: Suspect['kind'], commit: number): [LogProblemKind, string] {
  switch (kind.is) {
    case 'empty':
      return ['empty', 'The log is there, and empty.']
    case 'changed':
    case 'unfinished':
      return ['changed', `Commit ${commit} was changed: its bytes do not have the hash that it carries.`]
    case 'not-utf8':
      return ['not-utf8', `Commit ${commit} was changed: its bytes are not UTF-8.`]
    case 'huge':
      return ['huge-line', `In the place of commit ${commit} stands a line of ${kind.bytes} bytes.`]
    case 'impossible':
      return ['impossible', `Commit ${commit} is intact and no commit: ${kind.why}`]
    case 'foreign':
      return [
        'foreign',
        commit === 0
          ? `This is no log of Reprise: it holds ${kind.looks}.`
          : `In the place of commit ${commit} stands ${kind.looks}.`,
      ]
  }
}
