import type { LogMark } from '../flow/task-history.js'
import type { Commit, Mode, RunEvent } from '../protocol/events.js'
import { type AttemptSpan, AttemptSpans, latenciesOf } from './attempt-spans.js'
import { Newest } from './newest.js'

export interface TimelineOptions {
  /** Leaves out what had ended before this version. Default: 1. */
  readonly from?: number | undefined
  /** Reads no further than this version. Default: to the end. */
  readonly to?: number | undefined
  /** Attempts that are kept, the newest; also as many coordinators and pauses, and four times as many modes. Default: 5000. */
  readonly attemptsMax?: number
  /** Lanes that are kept, those with the most attempts. Default: 256. */
  readonly lanesMax?: number
}

/** Something that held from one event to another; `to` is `null` while it still does. */
interface Stretch {
  readonly from: LogMark
  readonly to: LogMark | null
}
export interface ModeStretch extends Stretch {
  readonly mode: Mode
}
export interface CoordinatorStretch extends Stretch {
  /** Of the holder of the lock. */
  readonly id: string
  /** The version of its `lock-acquired`. */
  readonly epoch: number
  readonly reason: string
}
export interface HoldStretch extends Stretch {
  readonly kind: 'paused' | 'blocked'
  readonly reason: string
}

/** The attempts that one worker has answered; without a worker: those that nobody has answered, or not yet. */
export interface TimelineLane {
  readonly worker: string | null
  /** In the order of their dispatch. */
  readonly attempts: readonly AttemptSpan[]
}

/** A run over time. JSON. Times are those of the coordinators' clocks, but for when a worker started and finished. */
export interface Timeline {
  readonly runId: string
  /** The first and the last event that it is about. */
  readonly from: LogMark
  readonly to: LogMark
  readonly closed: 'complete' | 'failed' | null
  /** Workers in the order of their first dispatch; the lane without one is the last. */
  readonly lanes: readonly TimelineLane[]
  readonly coordinators: readonly CoordinatorStretch[]
  readonly modes: readonly ModeStretch[]
  readonly holds: readonly HoldStretch[]
  /** What there was too much of: the oldest are left out; of lanes, those with the fewest attempts. */
  readonly leftOut: {
    readonly attempts: number
    readonly lanes: number
    readonly coordinators: number
    readonly modes: number
    readonly holds: number
  }
  /** Attempts whose worker's clock does not agree with the coordinator's: something came before what it follows. */
  readonly skewed: number
}

/**
 * Who did what when, from the commits of a run. In memory: the options' limits, and the open tasks. `null` if there are no
 * commits.
 */
export async function timelineOf(
  commits: AsyncIterable<Commit> | Iterable<Commit>,
  options: TimelineOptions = {},
): Promise<Timeline | null> {
  const { to = Number.POSITIVE_INFINITY } = options
  const building = new BuildingTimeline(options)
  for await (const { version, events, at } of commits) {
    const before = version - events.length
    for (const [i, event] of events.entries()) {
      if (before + i + 1 > to) break
      building.fold(event, { version: before + i + 1, at })
    }
    if (version >= to) break
  }
  return building.done()
}

type Open<T extends Stretch> = { -readonly [K in keyof T]: T[K] }

class BuildingTimeline {
  readonly #from: number
  readonly #lanesMax: number
  readonly #attempts: Newest<AttemptSpan>
  readonly #coordinators: Newest<Open<CoordinatorStretch>>
  readonly #modes: Newest<Open<ModeStretch>>
  readonly #holds: Newest<Open<HoldStretch>>
  readonly #spans = new AttemptSpans({ began: (span) => this.#attempts.add(span) })
  #runId = ''
  #first: LogMark | null = null
  #last: LogMark | null = null
  #closed: Timeline['closed'] = null

  constructor({ from = 1, attemptsMax = 5_000, lanesMax = 256 }: TimelineOptions) {
    this.#from = from
    this.#lanesMax = lanesMax
    // What had ended before the first version that is asked for does not count as left out.
    this.#attempts = new Newest(attemptsMax, ({ ended }) => this.#isInView(ended))
    this.#coordinators = new Newest(attemptsMax, ({ to }) => this.#isInView(to))
    this.#modes = new Newest(4 * attemptsMax, ({ to }) => this.#isInView(to))
    this.#holds = new Newest(attemptsMax, ({ to }) => this.#isInView(to))
  }

  #isInView(end: LogMark | null): boolean {
    return end === null || end.version >= this.#from
  }

  fold(event: RunEvent, mark: LogMark): void {
    if (mark.version >= this.#from) this.#first ??= mark
    this.#last = mark
    this.#spans.fold(event, mark)
    switch (event.type) {
      case 'run-opened':
        this.#runId = event.data.runId
        // The mode of a new run; no event says so.
        this.#modes.add({ mode: 'recovering', from: mark, to: null })
        return
      case 'run-forked':
        this.#runId = event.data.runId
        this.#closed = null
        for (const open of [this.#coordinators.newest, this.#modes.newest]) end(open, mark)
        this.#modes.add({ mode: 'recovering', from: mark, to: null })
        return
      case 'lock-acquired': {
        end(this.#coordinators.newest, mark)
        const { holder, reason } = event.data
        this.#coordinators.add({ id: holder.id, epoch: mark.version, reason, from: mark, to: null })
        return
      }
      case 'lock-released':
        end(this.#coordinators.newest, mark)
        return
      case 'mode-changed':
        end(this.#modes.newest, mark)
        this.#modes.add({ mode: event.data.to, from: mark, to: null })
        return
      case 'paused':
      case 'blocked':
        this.#holds.add({ kind: event.type, reason: event.data.reason, from: mark, to: null })
        return
      case 'unpaused':
      case 'unblocked':
        end(this.#holds.newest, mark)
        return
      case 'run-completed':
      case 'run-failed':
        this.#closed = event.type === 'run-failed' ? 'failed' : 'complete'
        for (const open of [this.#coordinators.newest, this.#holds.newest, this.#modes.newest]) end(open, mark)
        this.#modes.add({ mode: 'closed', from: mark, to: null })
    }
  }

  done(): Timeline | null {
    if (this.#last === null) return null
    const attempts = this.#attempts.list()
    const { lanes, left } = laneTheAttempts(attempts, this.#lanesMax)
    return {
      runId: this.#runId,
      from: this.#first ?? this.#last,
      to: this.#last,
      closed: this.#closed,
      lanes,
      coordinators: this.#coordinators.list(),
      modes: this.#modes.list(),
      holds: this.#holds.list(),
      leftOut: {
        attempts: this.#attempts.leftOut + left.reduce((sum, lane) => sum + lane.attempts.length, 0),
        lanes: left.length,
        coordinators: this.#coordinators.leftOut,
        modes: this.#modes.leftOut,
        holds: this.#holds.leftOut,
      },
      skewed: attempts.filter(isSkewed).length,
    }
  }
}

function end(stretch: Open<Stretch> | undefined, mark: LogMark): void {
  if (stretch !== undefined) stretch.to ??= mark
}

/** Whether the worker's clock is seen not to agree with the coordinator's. */
function isSkewed(span: AttemptSpan): boolean {
  const { toStart, work, toRecord } = latenciesOf(span)
  return (toStart ?? 0) < 0 || (work ?? 0) < 0 || (toRecord ?? 0) < 0
}

function laneTheAttempts(attempts: readonly AttemptSpan[], lanesMax: number) {
  const byWorker = new Map<string | null, AttemptSpan[]>()
  for (const attempt of attempts) {
    const lane = byWorker.get(attempt.worker)
    if (lane === undefined) byWorker.set(attempt.worker, [attempt])
    else lane.push(attempt)
  }
  const all: TimelineLane[] = [...byWorker].map(([worker, own]) => ({ worker, attempts: own }))
  const busiest = [...all].sort((a, b) => b.attempts.length - a.attempts.length)
  const left = new Set(busiest.slice(lanesMax))
  const kept = all.filter((lane) => !left.has(lane))
  // They were made in the order of dispatch.
  const lanes = [...kept.filter(({ worker }) => worker !== null), ...kept.filter(({ worker }) => worker === null)]
  return { lanes, left: [...left] }
}
