import type { Commit } from '../protocol/events.js'
import { corruptCommit, decodeCommit, genesisHash } from './commit-record.js'

/** Walks a log line by line and checks that each commit is what its hash says and follows the one before it. */
export class ChainReader {
  /** Begins behind a commit that is known, and checked, already. */
  static behind(known: Pick<ChainReader, 'commits' | 'head' | 'first' | 'version'>): ChainReader {
    const { commits, head, first, version } = known
    return Object.assign(new ChainReader(), { commits, head, first, version })
  }

  /** Commits read so far. */
  commits = 0
  /** Hash of the newest of them, or 64 zeros. */
  head = genesisHash
  /** Hash of the first of them. */
  first: string | null = null
  /** Events in them. */
  version = 0

  /** The commit of the next line. `LOG_CORRUPT`, naming its index, if it does not belong there. */
  next(line: string): Commit {
    const { commit, hash } = decodeCommit(line, { index: this.commits, prev: this.head })
    const version = this.version + commit.events.length
    if (commit.version !== version) {
      throw corruptCommit(this.commits, `it says version ${commit.version}, its events make it ${version}`)
    }
    this.version = version
    this.commits++
    this.head = hash
    this.first ??= hash
    return commit
  }
}
