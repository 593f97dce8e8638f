import type { Run } from '../coordinator/run.js'
import type { CommitNotice } from '../coordinator/run-events.js'
import { type Settlement, SettlementFollower } from '../coordinator/settlements.js'
import type { TaskResult } from '../coordinator/task-result.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { TaskId } from '../protocol/ids.js'
import { limits } from '../protocol/limits.js'
import type { TaskRequest } from '../protocol/task.js'
import { type Judge, judgeResult, settleResult, type Verdict } from './judge.js'

/** Results of one pattern that are decided on at once; the others wait where they are. */
const decidingMax = 64

const none: ReadonlySet<string> = new Set()

export interface FollowOptions {
  readonly signal?: AbortSignal | undefined
  /** Asked once per result of a followed task. */
  readonly judge?: Judge | undefined
  /** Does what the verdict says. Default: just that. `open`: followed and not settled. */
  readonly settle?: (result: TaskResult, verdict: Verdict, open: ReadonlySet<TaskId>) => Promise<void>
  /**
   * A followed task is settled, by whomever. `earlier`: before it was followed, so that receipt and reason are only in the
   * log. Must not throw.
   */
  readonly onSettled: (settlement: Settlement, earlier: boolean) => void
}

/**
 * Follows some tasks of a run until they are settled, whoever settles them: what comes back of them is judged and settled.
 * Other tasks are left alone. While the run is paused or blocked nothing comes, and it goes on when that ends.
 */
export class TaskFollower {
  /** Followed and not settled. */
  readonly open = new Set<TaskId>()
  private readonly settlements = new SettlementFollower(this.open)
  private readonly handedOut = new WeakSet<TaskResult>()
  private readonly waiters = new Set<() => void>()
  private failure: { readonly error: unknown } | null = null
  private ended = false
  private commits = 0
  private deciding = 0
  /** Calls that find out which of the open tasks are settled. */
  private asking = 0
  private reading: AbortController | null = null

  private constructor(
    private readonly run: Run,
    private readonly options: FollowOptions,
  ) {}

  /** Calls `body` with a follower that lives as long; rejects as `body`, or with what went wrong beside it. */
  static async during<T>(run: Run, options: FollowOptions, body: (follower: TaskFollower) => Promise<T>): Promise<T> {
    const { signal } = options
    signal?.throwIfAborted()
    const follower = new TaskFollower(run, options)
    const onAbort = () => follower.fail(signal?.reason)
    const onEnd = () => follower.runEnded()
    const onCommit = (commit: CommitNotice) => follower.followCommit(commit)
    run.on('commit', onCommit)
    run.signal.addEventListener('abort', onEnd)
    signal?.addEventListener('abort', onAbort)
    try {
      if (run.signal.aborted) onEnd()
      follower.check()
      return await body(follower)
    } catch (error) {
      // As `run.results`: a script that ends with this must not end before the run is let go.
      if (run.signal.aborted && isRepriseError(error, 'CLOSED')) await run.close()
      throw error
    } finally {
      run.off('commit', onCommit)
      run.signal.removeEventListener('abort', onEnd)
      signal?.removeEventListener('abort', onAbort)
      follower.end()
    }
  }

  /** Follows tasks that may be in the log already; those that are settled are told before it resolves. */
  async follow(taskIds: readonly string[]): Promise<void> {
    for (const taskId of taskIds as readonly TaskId[]) this.open.add(taskId)
    this.asking++
    const outcomes = await this.run.outcomes(taskIds)
    this.asking--
    for (const [taskId, outcome] of outcomes) {
      if (this.open.delete(taskId)) this.options.onSettled({ taskId, outcome, receipt: null, reason: null }, true)
    }
    this.wake()
  }

  /** Takes in those of these followed tasks that are not settled, and hands over what comes back of them. */
  async dispatch(requests: readonly TaskRequest[]): Promise<void> {
    const taskIds = requests.map(({ taskId }) => taskId)
    const stopped = this.run.status.counts.stopped === 0 ? none : await this.run.stoppedAmong(taskIds)
    // Dispatching one that has stopped would ask for another attempt: that is for the judge to say.
    const wanted = requests.filter(({ taskId }) => this.open.has(taskId as TaskId) && !stopped.has(taskId))
    let hasBefore = wanted.length < requests.length
    for (let next = 0; next < wanted.length; next += limits.dispatchBatchMax) {
      this.check()
      const { known } = await this.run.dispatch(wanted.slice(next, next + limits.dispatchBatchMax))
      hasBefore ||= known.length > 0
    }
    if (hasBefore || this.reading === null) this.read()
  }

  /**
   * Resolves once `holds`. Rejects when something has gone wrong, or with `RUN_CLOSED` if the run has ended and followed
   * tasks are not settled.
   */
  async until(holds: () => boolean): Promise<void> {
    for (;;) {
      this.check()
      if (holds()) return
      const isOver = this.run.status.mode === 'closed' && this.open.size > 0 && this.asking === 0
      if (isOver) throw closedError(this.run, this.open)
      await this.change()
    }
  }

  /** What `work` comes to, unless something goes wrong before. */
  async await<T>(work: Promise<T>): Promise<T> {
    // Not a race with one promise that lives as long as we do: it would keep something of every race.
    const done: T[] = []
    void work.then((value) => done.push(value)).then(this.wake, (error: unknown) => this.fail(error))
    await this.until(() => done.length > 0)
    return done[0] as T
  }

  /** Lets something run beside the rest, which fails with it. */
  beside(work: Promise<void>): void {
    void work.then(this.wake, (error: unknown) => this.fail(error))
  }

  /** Throws what has gone wrong. */
  check(): void {
    if (this.failure !== null) throw this.failure.error
  }

  readonly wake = (): void => {
    const waiters = [...this.waiters]
    this.waiters.clear()
    for (const resolve of waiters) resolve()
  }

  private fail(error: unknown): void {
    this.failure ??= { error }
    this.reading?.abort()
    this.wake()
  }

  private end(): void {
    this.ended = true
    this.reading?.abort()
    this.wake()
  }

  /** A run that is complete or failed says so itself. */
  private runEnded(): void {
    if (this.run.status.mode === 'closed') this.wake()
    else this.fail(this.run.signal.reason)
  }

  private change(): Promise<void> {
    return new Promise((resolve) => {
      this.waiters.add(resolve)
    })
  }

  private followCommit({ events }: CommitNotice): void {
    this.commits++
    for (const event of events) {
      const settlement = this.settlements.next(event)
      if (settlement === null) continue
      this.open.delete(settlement.taskId)
      this.options.onSettled(settlement, false)
    }
    this.wake()
  }

  /** From the start: what waits since before a task was followed has been passed over. */
  private read(): void {
    const first = this.reading === null
    this.reading?.abort()
    this.reading = new AbortController()
    if (first) this.beside(this.readAll())
  }

  private async readAll(): Promise<void> {
    while (!this.over) {
      const { commits, reading } = this
      for await (const result of this.run.results({ signal: reading?.signal as AbortSignal })) {
        if (!this.open.has(result.taskId) || this.handedOut.has(result)) continue
        this.handedOut.add(result)
        while (this.deciding >= decidingMax && !this.over) await this.change()
        if (this.over) return
        if (this.open.has(result.taskId)) void this.decide(result)
      }
      // Nothing can come by itself, so it ended: somebody may bring something about.
      while (!this.over && this.commits === commits && this.reading === reading) await this.change()
    }
  }

  private async decide(result: TaskResult): Promise<void> {
    const { run } = this
    const { judge, settle = (_, verdict) => settleResult(run, result, verdict) } = this.options
    this.deciding++
    // It may have come before the first commit that was followed.
    if (result.receipt !== null && this.open.has(result.taskId)) {
      this.settlements.receipts.set(result.taskId, result.receipt)
    }
    try {
      const verdict = await judgeResult(run, judge, result)
      // Whoever called was told that it did not come to its end: then nothing more is settled.
      if (!this.over) await settle(result, verdict, this.open)
    } catch (error) {
      this.fail(error)
    } finally {
      this.deciding--
      this.wake()
    }
  }

  private get over(): boolean {
    return this.ended || this.failure !== null
  }
}

function closedError(run: Run, open: ReadonlySet<string>): RepriseError {
  const some = [...open].slice(0, 5)
  return new RepriseError(
    'RUN_CLOSED',
    `Run ${run.id} has ended (${run.status.status}: ${run.status.reason}) before this was done: ${open.size} of its tasks are unsettled${some.length === 0 ? '' : `, among them ${some.join(', ')}`}. Open a new run for the rest.`,
    { details: { runId: run.id, taskIds: some } },
  )
}
