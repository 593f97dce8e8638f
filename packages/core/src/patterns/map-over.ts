import type { Run } from '../coordinator/run.js'
import type { TaskResult } from '../coordinator/task-result.js'
import { RepriseError } from '../protocol/errors.js'
import type { TaskId } from '../protocol/ids.js'
import { limits } from '../protocol/limits.js'
import type { Outcome } from '../protocol/state.js'
import type { TaskRequest } from '../protocol/task.js'
import { nextTurn } from '../runtime/next-turn.js'
import { type PatternOptions, settleResult, type Verdict } from './judge.js'
import { TaskFollower } from './task-follower.js'

const inFlightDefault = 64
/** Items that may be skipped in one go: what is settled needs no waiting, and the lease must be renewed meanwhile. */
const skippedMax = 500

export interface MapOverOptions extends PatternOptions {
  /** Tasks of this call that are open at once, at most: the source is asked for more when one is settled. Default 64. */
  readonly inFlight?: number
  /**
   * Called with a result before it is accepted, and once more after a crash in between: at least once for each that this
   * call accepts. The result is accepted when it has resolved; if it rejects, so does the call.
   */
  readonly onResult?: (result: TaskResult) => unknown
}

/** How many tasks this call saw settled. `skipped`: those that were settled before, and repeats of open ones. */
export type MapOverReport = Readonly<Record<Outcome | 'skipped', number>>

/**
 * Takes in one task per item of a source of any length, a bounded number at a time, and resolves when all are settled.
 * Memory does not grow with the length. After a crash the same call starts the source anew: what is settled is skipped, so
 * `toTask` must give an item the same task id every time. Rejects with what the source throws; tasks that are out then
 * stay, for the next call. `SPAWN_REFUSED` as `run.dispatch`.
 */
export async function mapOver<Item>(
  run: Run,
  source: AsyncIterable<Item> | Iterable<Item>,
  toTask: (item: Item, index: number) => TaskRequest,
  options: MapOverOptions = {},
): Promise<MapOverReport> {
  const { inFlight = inFlightDefault, onResult } = options
  if (!Number.isInteger(inFlight) || inFlight < 1 || inFlight > limits.dispatchBatchMax) throw badBound(run, inFlight)
  const report = { accepted: 0, cancelled: 0, abandoned: 0, skipped: 0 }
  const settle = async (result: TaskResult, verdict: Verdict): Promise<void> => {
    if (verdict === 'accept') await onResult?.(result)
    await settleResult(run, result, verdict)
  }
  const onSettled = ({ outcome }: { readonly outcome: Outcome }, earlier: boolean): void => {
    report[earlier ? 'skipped' : outcome]++
  }
  await TaskFollower.during(run, { ...options, settle, onSettled }, async (follower) => {
    const intake = new Intake(follower)
    const items = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
    let isExhausted = false
    try {
      for (let index = 0; ; index++) {
        await follower.until(() => follower.open.size + intake.waiting < inFlight)
        const next = await follower.await((async () => items.next())())
        if (next.done) break
        if (intake.add(toTask(next.value, index))) continue
        report.skipped++
        if (report.skipped % skippedMax === 0) await nextTurn()
      }
      isExhausted = true
      await follower.until(() => follower.open.size + intake.waiting === 0)
    } finally {
      // Not waited for: a source that hangs must not keep us.
      if (!isExhausted) void (async () => items.return?.())().catch(() => {})
    }
  })
  return report
}

/** Tasks on their way into the run: what comes while one batch is written goes into the next. */
class Intake {
  private pending = new Map<string, TaskRequest>()
  private isBusy = false
  private skipped = 0

  constructor(private readonly follower: TaskFollower) {}

  get waiting(): number {
    return this.pending.size
  }

  /** Says no to one that is open or on its way already. */
  add(request: TaskRequest): boolean {
    const { taskId } = request
    if (this.pending.has(taskId) || (this.follower.open as ReadonlySet<string>).has(taskId)) return false
    this.pending.set(taskId, request)
    if (!this.isBusy) this.follower.beside(this.empty())
    return true
  }

  private async empty(): Promise<void> {
    this.isBusy = true
    while (this.pending.size > 0) {
      const batch = [...this.pending.values()]
      this.pending = new Map()
      // Followed from now on, so that they count.
      await this.follower.follow(batch.map(({ taskId }) => taskId))
      const open = batch.filter(({ taskId }) => this.follower.open.has(taskId as TaskId))
      if (open.length > 0) await this.follower.dispatch(open)
      this.skipped += batch.length - open.length
      if (this.skipped < skippedMax) continue
      this.skipped = 0
      await nextTurn()
    }
    this.isBusy = false
  }
}

const badBound = (run: Run, inFlight: number): RepriseError =>
  new RepriseError(
    'INVALID_INPUT',
    `mapOver in run ${run.id} cannot keep ${inFlight} tasks open at once. Pass a whole number from 1 to ${limits.dispatchBatchMax}.`,
    { details: { runId: run.id, inFlight } },
  )
