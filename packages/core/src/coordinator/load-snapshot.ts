import { createHash } from 'node:crypto'
import { SnapshotDoubt, SnapshotReader } from '../flow/snapshot-reader.js'
import type { SnapshotPosition } from '../flow/snapshot-text.js'
import { readCommit, readRecordShape } from '../log/commit-record.js'
import type { SnapshotStore } from '../ports/snapshot-store.js'
import type { RunId } from '../protocol/ids.js'
import { limits } from '../protocol/limits.js'
import type { RunState } from '../protocol/state.js'
import { isDigestLine, snapshotDigestLine } from './snapshot-pieces.js'

/** A state, and the commit that is said to have left it: to be checked against the log. */
export interface LoadedSnapshot {
  readonly state: RunState
  readonly position: SnapshotPosition
}

/** `null` if there is none. Throws whatever is wrong with it; nothing of it may be used then. */
export async function loadSnapshot(store: Pick<SnapshotStore, 'load'>, runId: RunId): Promise<LoadedSnapshot | null> {
  const reader = new SnapshotReader(runId)
  const hash = createHash('sha256')
  let characters = 0
  // Of a line that is not at its end: put together once, since it may be long.
  let begun: string[] = []
  let isWhole = false
  for await (const piece of store.load(runId)) {
    characters += piece.length
    if (characters > limits.snapshotMax) throw new SnapshotDoubt(`it has more than ${limits.snapshotMax} characters`)
    const ends = piece.split('\n')
    const rest = ends.pop() ?? ''
    for (const end of ends) {
      const line = begun.length === 0 ? end : begun.join('') + end
      begun = []
      if (isWhole) throw new SnapshotDoubt('it goes on behind its end')
      if (isDigestLine(line)) {
        if (line !== snapshotDigestLine(hash))
          throw new SnapshotDoubt('its bytes do not have the digest that it carries')
        isWhole = true
      } else {
        hash.update(`${line}\n`)
        reader.line(line)
      }
    }
    if (rest !== '') begun.push(rest)
  }
  if (characters === 0) return null
  if (!isWhole || begun.length > 0) throw new SnapshotDoubt('it is not whole')
  return checked(reader.finish())
}

function checked(snapshot: LoadedSnapshot): LoadedSnapshot {
  const { commits } = snapshot.position
  if (Number.isSafeInteger(commits) && commits >= 1) return snapshot
  throw new SnapshotDoubt('it does not say of which commit it is')
}

/** Whether this line of the log is the commit that left the state: then all before it led there. */
export function checkAnchor(line: string, position: SnapshotPosition): void {
  const index = position.commits - 1
  const commit = readCommit(line, index)
  if (commit.index === index && commit.version === position.version && readRecordShape(line)?.hash === position.head) {
    return
  }
  throw new SnapshotDoubt(`commit ${index} of the log is another than the one of which it is`)
}
