import type { Commit, EventType, ReceiptGate, RunEvent } from '../protocol/events.js'
import type { ReceiptStatus } from '../protocol/receipt.js'
import { epochMs } from '../protocol/time.js'
import { AttemptSpans } from './attempt-spans.js'
import { type GroupStats, StatsGroup } from './stats-group.js'

/** What attempts are told apart by. `lane`: of the queue. */
export const statsKeys = ['kind', 'worker', 'lane', 'owner'] as const
export type StatsKey = (typeof statsKeys)[number]

export interface StatsOptions {
  /** Default: one group only. */
  readonly by?: StatsKey | undefined
  /** Groups that are kept apart, the first that come; the others are one. Default: 200. */
  readonly groupsMax?: number
}

/** Figures of a run. JSON. */
export interface RunStats {
  readonly runId: string
  readonly version: number
  readonly commits: number
  readonly from: string
  readonly to: string
  /** From the first commit to the last. */
  readonly durationMs: number
  /** `open`: taken in, and not settled. */
  readonly tasks: {
    readonly accepted: number
    readonly cancelled: number
    readonly abandoned: number
    readonly open: number
  }
  /** Accepted tasks a minute, from the first commit to the last; `null` for a run of no length. */
  readonly acceptedPerMinute: number | null
  readonly receipts: Readonly<Record<ReceiptStatus, number>>
  readonly attempts: { readonly dispatched: number; readonly rejected: number; readonly expired: number }
  /** Receipts that a gate refused, by gate; only gates that did. */
  readonly refusals: Partial<Readonly<Record<ReceiptGate, number>>>
  /** Tasks that a limit kept out. */
  readonly keptOut: number
  readonly takeOvers: number
  readonly total: GroupStats
  readonly by: StatsKey | null
  /** Most attempts first. */
  readonly groups: readonly GroupStats[]
  /** Groups that are counted as one, because there were too many: it has the name `null`, and is the last. */
  readonly groupsMerged: boolean
}

/** Latencies, attempts and spend of a run, from its commits. In memory: the open tasks, and a few kilobytes a group. */
export async function statsOf(
  commits: AsyncIterable<Commit> | Iterable<Commit>,
  options: StatsOptions = {},
): Promise<RunStats | null> {
  const counting = new Counting(options)
  for await (const commit of commits) counting.fold(commit)
  return counting.done()
}

class Counting {
  readonly #by: StatsKey | undefined
  readonly #groupsMax: number
  readonly #total = new StatsGroup(null)
  readonly #groups = new Map<string, StatsGroup>()
  #others: StatsGroup | null = null
  readonly #events = new Map<EventType, number>()
  readonly #refusals: Partial<Record<ReceiptGate, number>> = {}
  readonly #receipts = { completed: 0, failed: 0, partial: 0, refused: 0 }
  readonly #settled = { accepted: 0, cancelled: 0, abandoned: 0 }
  #keptOut = 0
  #runId = ''
  #first: string | null = null
  #last: Commit | null = null
  readonly #spans = new AttemptSpans({
    recorded: (span, { usage }) => {
      this.#receipts[span.status as ReceiptStatus]++
      for (const group of this.#groupsOf(span[this.#by ?? 'kind'])) group.spend(usage)
    },
    ended: (span) => {
      for (const group of this.#groupsOf(span[this.#by ?? 'kind'])) group.addAttempt(span)
    },
    settled: (facts, outcome, attempts) => {
      this.#settled[outcome]++
      this.#total.addTask(attempts)
      // Attempts of one task may be of several workers.
      if (this.#by !== undefined && this.#by !== 'worker') this.#group(facts[this.#by] ?? '').addTask(attempts)
    },
  })

  constructor({ by, groupsMax = 200 }: StatsOptions) {
    this.#by = by
    this.#groupsMax = groupsMax
  }

  fold(commit: Commit): void {
    this.#first ??= commit.at
    this.#last = commit
    let version = commit.version - commit.events.length
    for (const event of commit.events) {
      version++
      this.#events.set(event.type, (this.#events.get(event.type) ?? 0) + 1)
      this.#count(event)
      this.#spans.fold(event, { version, at: commit.at })
    }
  }

  #count(event: RunEvent): void {
    if (event.type === 'run-opened' || event.type === 'run-forked') this.#runId = event.data.runId
    if (event.type === 'receipt-rejected') {
      this.#refusals[event.data.gate] = (this.#refusals[event.data.gate] ?? 0) + 1
    }
    if (event.type === 'spawn-refused') this.#keptOut += event.data.count
  }

  *#groupsOf(name: string | null): Iterable<StatsGroup> {
    yield this.#total
    if (this.#by !== undefined) yield this.#group(name ?? '')
  }

  #group(name: string): StatsGroup {
    let group = this.#groups.get(name)
    if (group === undefined && this.#groups.size >= this.#groupsMax) {
      this.#others ??= new StatsGroup(null)
      return this.#others
    }
    group ??= new StatsGroup(name)
    this.#groups.set(name, group)
    return group
  }

  done(): RunStats | null {
    if (this.#last === null || this.#first === null) return null
    const { version, index, at: to } = this.#last
    const durationMs = epochMs(to) - epochMs(this.#first)
    const groups = [...this.#groups.values()].map((group) => group.stats()).sort((a, b) => b.attempts - a.attempts)
    const countOf = (type: EventType) => this.#events.get(type) ?? 0
    return {
      ...{ runId: this.#runId, version, commits: index + 1, from: this.#first, to, durationMs },
      tasks: { ...this.#settled, open: this.#spans.open },
      acceptedPerMinute: durationMs > 0 ? (this.#settled.accepted * 60_000) / durationMs : null,
      receipts: this.#receipts,
      attempts: {
        dispatched: countOf('dispatched'),
        rejected: countOf('task-rejected'),
        expired: countOf('attempt-expired'),
      },
      refusals: this.#refusals,
      keptOut: this.#keptOut,
      takeOvers: Math.max(0, countOf('lock-acquired') - 1),
      total: this.#total.stats(),
      by: this.#by ?? null,
      groups: this.#others === null ? groups : [...groups, this.#others.stats()],
      groupsMerged: this.#others !== null,
    }
  }
}
