import { describeEvent } from '../flow/describe-event.js'
import { readCommit } from '../log/commit-record.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { RunEvent } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import { oneLine } from '../protocol/one-line.js'
import { upcastEvent } from '../protocol/upcast.js'

/** One event that came after the version in question. */
export interface Change {
  readonly version: number
  readonly at: string
  readonly type: RunEvent['type']
  /** On one line. */
  readonly text: string
}

export interface Changes {
  /** Events since then. */
  readonly total: number
  /** The newest of them, at most as many as were asked for, oldest first. */
  readonly newest: readonly Change[]
}

const textMax = 300

/** What happened in a run after `sinceVersion`. Reads the end of the log only, at most `max` commits: each holds an event. */
export async function readChanges(
  log: CommitLog,
  runId: RunId,
  sinceVersion: number,
  head: { readonly commits: number; readonly version: number },
  max: number,
): Promise<Changes> {
  const newest: Change[] = []
  const total = head.version - sinceVersion
  let index = Math.max(0, head.commits - Math.min(total, max))
  for await (const lines of log.read(runId, index)) {
    for (const line of lines) {
      const commit = readCommit(line, index++)
      // It grows while it is read.
      if (commit.version > head.version) return { total, newest }
      let version = commit.version - commit.events.length
      for (const stored of commit.events) {
        if (++version <= sinceVersion) continue
        const event = upcastEvent(stored)
        newest.push({ version, at: commit.at, type: event.type, text: oneLine(describeEvent(event), textMax) })
        if (newest.length > max) newest.shift()
      }
    }
  }
  return { total, newest }
}
