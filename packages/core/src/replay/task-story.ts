import { describeEvent } from '../flow/describe-event.js'
import { TaskHistory, taskIdOf } from '../flow/task-history.js'
import type { RunEvent } from '../protocol/events.js'
import type { TaskId } from '../protocol/ids.js'
import type { Receipt } from '../protocol/receipt.js'
import type { RunMark } from './run-marks.js'

/** One event about a task, in a sentence. Texts in it come from outside. */
export interface TaskMoment extends RunMark {
  readonly type: RunEvent['type']
  readonly text: string
}

/** Moments that are kept: how it began, and the newest. */
const beginningMax = 8
const newestMax = 56
const notesMax = 8

/** All that a log says of one task, also of one that never came in. */
export class TaskStory {
  readonly taskId: TaskId
  readonly history: TaskHistory
  /** Of the newest attempt that has one. */
  receipt: Receipt | null = null
  moments = 0
  readonly #beginning: TaskMoment[] = []
  readonly #newest: TaskMoment[] = []
  /** The refusal that names it, before it came in. */
  keptOut: (RunMark & { readonly rule: string; readonly limit: number; readonly value: number }) | null = null
  /** Refusals that stand for several tasks and name the first: it may be among them. The newest. */
  readonly keptOutWith: (RunMark & { readonly rule: string; readonly limit: number; readonly count: number })[] = []
  /** Receipts that asked for it. The newest. */
  readonly askedFor: (RunMark & { readonly parent: TaskId })[] = []

  constructor(taskId: TaskId) {
    this.taskId = taskId
    this.history = new TaskHistory(taskId)
  }

  /** The oldest ones and the newest ones, in order; `moments` says how many there are. */
  get told(): TaskMoment[] {
    return [...this.#beginning, ...this.#newest]
  }

  fold(event: RunEvent, mark: RunMark): void {
    if (event.type === 'receipt-received') this.#read(event.data.receipt, mark)
    if (event.type === 'spawn-refused') this.#keepOut(event.data, mark)
    if (event.type === 'run-forked') this.history.fold(event, mark)
    if (taskIdOf(event) !== this.taskId) return
    this.history.fold(event, mark)
    this.moments++
    const moment = { ...mark, type: event.type, text: describeEvent(event) }
    if (this.#beginning.length < beginningMax) this.#beginning.push(moment)
    else keepNewest(this.#newest, moment, newestMax)
  }

  #read(receipt: Receipt, mark: RunMark): void {
    if (receipt.taskId === this.taskId) this.receipt = receipt
    const isAsked = receipt.spawnRequests?.some(({ taskId }) => taskId === this.taskId) === true
    if (isAsked) keepNewest(this.askedFor, { ...mark, parent: receipt.taskId }, notesMax)
  }

  #keepOut({ taskId, rule, limit, value, count }: Extract<RunEvent, { type: 'spawn-refused' }>['data'], mark: RunMark) {
    if (taskId === this.taskId) this.keptOut = { ...mark, rule, limit, value }
    else if (count > 1) keepNewest(this.keptOutWith, { ...mark, rule, limit, count }, notesMax)
  }
}

function keepNewest<T>(kept: T[], item: T, max: number): void {
  kept.push(item)
  if (kept.length > max) kept.shift()
}
