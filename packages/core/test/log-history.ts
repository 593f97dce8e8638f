import { statusOf } from '../src/coordinator/run-status.js'
import { initialState, reduceCommit } from '../src/flow/reduce-event.js'
import { readCommit } from '../src/log/commit-record.js'
import type { Commit } from '../src/protocol/events.js'
import type { RunState } from '../src/protocol/state.js'

interface Dispatched {
  readonly taskId: string
  readonly attempt: number
  readonly digest: string
  readonly epoch: number
}

/** What a log says, counted without the library's fold: so that the fold itself can be checked. */
interface Facts {
  readonly taskIds: Set<string>
  readonly dispatches: Dispatched[]
  /** Dispatched, and neither answered, expired nor settled. */
  readonly open: Map<string, Dispatched>
  readonly receipts: {
    taskId: string
    attempt: number
    epoch: number
    dispatchDigest: string
    out: Dispatched | undefined
  }[]
  readonly accepted: { taskId: string; attempt: number; received: number | undefined }[]
}

export interface History {
  readonly commits: readonly Commit[]
  readonly facts: Facts
  /** The fold, and what it says after each commit, by version. */
  readonly states: { readonly last: RunState; readonly told: ReadonlyMap<number, string> }
}

const decoded = new Map<string, Commit>()

export function readHistory(lines: readonly string[]): History {
  const commits = lines.map((line, index) => {
    const commit = decoded.get(line) ?? readCommit(line, index)
    decoded.set(line, commit)
    return commit
  })
  if (decoded.size > 10_000) decoded.clear()
  let states: History['states'] | null = null
  return {
    commits,
    facts: factsOf(commits),
    // Only for those who ask: a log that is wrong may not fold at all.
    get states() {
      states ??= fold(commits)
      return states
    },
  }
}

function fold(commits: readonly Commit[]): History['states'] {
  const told = new Map<number, string>()
  let last = initialState()
  for (const commit of commits) {
    last = reduceCommit(last, commit)
    told.set(last.version, JSON.stringify(statusOf(last)))
  }
  return { last, told }
}

function factsOf(commits: readonly Commit[]): Facts {
  const facts: Facts = { taskIds: new Set(), dispatches: [], open: new Map(), receipts: [], accepted: [] }
  const received = new Map<string, number>()
  let [version, epoch] = [0, 0]
  for (const event of commits.flatMap(({ events }) => events)) {
    version++
    switch (event.type) {
      case 'lock-acquired':
        epoch = version
        break
      case 'planned':
        facts.taskIds.add(event.data.taskId)
        received.delete(event.data.taskId)
        break
      case 'dispatched': {
        const { taskId, attempt, digest } = event.data
        facts.taskIds.add(taskId)
        facts.dispatches.push({ taskId, attempt, digest, epoch })
        facts.open.set(taskId, { taskId, attempt, digest, epoch })
        received.delete(taskId)
        break
      }
      case 'receipt-received': {
        const { taskId, attempt, epoch: cited, dispatchDigest } = event.data.receipt
        facts.receipts.push({ taskId, attempt, epoch: cited, dispatchDigest, out: facts.open.get(taskId) })
        facts.open.delete(taskId)
        received.set(taskId, attempt)
        break
      }
      case 'task-accepted': {
        const { taskId, attempt } = event.data
        facts.accepted.push({ taskId, attempt, received: received.get(taskId) })
        facts.open.delete(taskId)
        break
      }
      case 'task-rejected':
      case 'attempt-expired':
      case 'task-cancelled':
      case 'task-abandoned':
        facts.open.delete(event.data.taskId)
        received.delete(event.data.taskId)
        break
      default:
    }
  }
  return facts
}

export const hashOf = (line: string | undefined): string | undefined =>
  line?.slice('{"hash":"'.length, '{"hash":"'.length + 64)

/** Equal states give equal texts. */
export const textOf = (value: unknown): string =>
  JSON.stringify(value, (_key, item: unknown) =>
    item instanceof Map || item instanceof Set ? [item.constructor.name, ...item] : item,
  )
