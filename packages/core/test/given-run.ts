import { expect } from 'vitest'
import { decideCommand, type InternalCommand } from '../src/flow/decide-command.js'
import { decideRest } from '../src/flow/decide-lock.js'
import { type DecideContext, type Decided, type Decision, decided } from '../src/flow/decision.js'
import { noEvidence, type ReceiptEvidence, readReceipt } from '../src/flow/receipt-gates.js'
import { initialState, reduceCommit } from '../src/flow/reduce-event.js'
import { encodeCommit, genesisHash } from '../src/log/commit-record.js'
import { type Command, type CommandInput, commandSchema } from '../src/protocol/commands.js'
import type { ErrorCode } from '../src/protocol/errors.js'
import { type Cause, type RunEvent, resumeGates } from '../src/protocol/events.js'
import type { RunId, TaskId } from '../src/protocol/ids.js'
import { type PolicyInput, policySchema } from '../src/protocol/policy.js'
import { receiptChecksum } from '../src/protocol/receipt.js'
import type { RunState } from '../src/protocol/state.js'
import { epochMs, isoTime } from '../src/protocol/time.js'
import { describeEvent } from './describe-event.js'

const runId = 'run-1' as RunId
export const startAt = '2026-01-01T00:00:00.000Z'
const holder = { id: 'coordinator-1', host: 'host-1', pid: 1 }

/** A step: a command as a caller writes it, an internal one, or one that depends on the run so far. */
export type Step = CommandInput | InternalCommand | ((run: GivenRun) => Command | InternalCommand)

/** A run that was opened under this policy, whose gates have passed, at `startAt`. */
export const given = (policy: PolicyInput = {}, ...steps: Step[]): GivenRun =>
  new GivenRun().and(open(policy), passGates).and(...steps)

/** A run as decisions and folding make it, one commit per step, without anything around. */
export class GivenRun {
  state = initialState()
  nowMs = epochMs(startAt)
  holderId = holder.id
  /** The log: one line per step. */
  readonly lines: string[] = []
  private head = genesisHash
  private seq = 0

  get context(): DecideContext {
    return { nowMs: this.nowMs, now: isoTime(this.nowMs), holderId: this.holderId }
  }

  /** Each must be allowed. */
  and(...steps: Step[]): this {
    for (const step of steps) {
      const decision = this.decide(step)
      expect(decision.ok ? null : decision.refusal).toBe(null)
      this.commit((decision as Decided).events)
    }
    return this
  }

  /** Steps that came through the inbox: the events say which message they answer. */
  andFrom(sender: string, ...steps: Step[]): this {
    for (const [i, step] of steps.entries()) {
      const cause = { sender, seq: i + 1 }
      const { events } = this.when(step)
      const causeOf = (place: number): Cause => (place === events.length - 1 ? cause : { ...cause, more: true })
      this.commit(events.map((event, place) => ({ ...event, cause: causeOf(place) })))
    }
    return this
  }

  later(ms: number): this {
    this.nowMs += ms
    return this
  }

  /** The same run, going on from another state, without its log. */
  goingOnFrom(state: RunState): GivenRun {
    return Object.assign(new GivenRun(), { state, nowMs: this.nowMs, holderId: this.holderId, seq: this.seq })
  }

  /** What follows from a step, which is not folded in. */
  when(step: Step): Outcome {
    return new Outcome(this.decide(step))
  }

  decide(step: Step): Decision {
    const command = typeof step === 'function' ? step(this) : step
    const fromOutside = commandSchema.safeParse(command)
    return decideCommand(this.state, fromOutside.data ?? (command as InternalCommand), this.context)
  }

  /** Folds events as a reader of the log would: from their text; then rests, as every commit does. */
  commit(events: readonly RunEvent[]): this {
    if (events.length === 0) return this
    const texts = events.map((event) => JSON.stringify(event))
    const at = isoTime(this.nowMs)
    const read = (from: readonly string[]) => ({ at, events: from.map((text) => JSON.parse(text) as RunEvent) })
    this.state = reduceCommit(this.state, read(texts))
    const rest = decideRest(this.state)
    const restTexts = (rest.ok ? rest.events : []).map((event) => JSON.stringify(event))
    this.state = reduceCommit(this.state, read(restTexts))
    const { version, epoch } = this.state
    const header = { index: this.lines.length, version, epoch, at, actor: this.holderId, prev: this.head }
    const record = encodeCommit(header, [...texts, ...restTexts])
    this.lines.push(record.text)
    this.head = record.hash
    return this
  }

  nextCause = () => ({ sender: 'worker-1', seq: ++this.seq })

  phase = (taskId: string) => this.state.tasks.get(taskId as TaskId)?.phase ?? null
}

/** A decision, in sentences: see `describeEvent`. */
class Outcome {
  constructor(readonly decision: Decision) {}

  get events(): RunEvent[] {
    return this.allowed.events
  }

  get allowed(): Decided {
    expect(this.decision.ok ? null : this.decision.refusal).toBe(null)
    return this.decision as Decided
  }

  gives(...events: string[]): this {
    expect(this.events.map(describeEvent)).toEqual(events)
    return this
  }

  isRefused(code: ErrorCode): this {
    expect(this.decision.ok ? decided(this.decision.events) : this.decision.refusal.code).toBe(code)
    return this
  }
}

export const open = (policy: PolicyInput = {}, successCriteria: readonly string[] = []): InternalCommand => ({
  type: 'open',
  runId,
  goal: 'everything is read',
  successCriteria,
  policy: policySchema.parse(policy),
  holder,
})

export const passGates = (): InternalCommand => ({
  type: 'finish-resume',
  gates: resumeGates.map((gate) => ({ gate, pass: true, evidence: 'fine' })),
  corrections: [],
  redelivered: 0,
})

type TaskOptions = Partial<Extract<CommandInput, { type: 'dispatch' }>['tasks'][number]>

export const task = (taskId: string, options: TaskOptions = {}) => ({
  taskId,
  kind: 'work',
  input: { of: taskId },
  ...options,
})

export const dispatch = (...tasks: (string | ReturnType<typeof task>)[]): CommandInput => ({
  type: 'dispatch',
  tasks: tasks.map((each) => (typeof each === 'string' ? task(each) : each)),
})

/** The text of an honest receipt for the attempt that is out, altered, then sealed. */
export function receiptText(run: GivenRun, taskId: string, altered: Record<string, unknown> = {}): string {
  const open = run.state.tasks.get(taskId as TaskId)
  const receipt = {
    v: 1,
    receiptId: `receipt-${taskId.replace(/[^A-Za-z0-9]/g, '-')}-${open?.attempt ?? 0}`,
    runId,
    taskId,
    attempt: open?.attempt ?? 1,
    epoch: open?.epoch || run.state.epoch,
    dispatchDigest: open?.digest ?? '0'.repeat(64),
    worker: { id: 'worker-1', host: 'host-2', pid: 2 },
    status: 'completed',
    output: { lines: 3 },
    artifacts: [],
    usage: { durationMs: 5 },
    startedAt: startAt,
    finishedAt: startAt,
    ...altered,
  }
  return JSON.stringify({ checksum: receiptChecksum(receipt), ...receipt })
}

/** A worker answers: `altered` is what is not honest, or not usual, about its receipt. */
export const receipt =
  (taskId: string, altered: Record<string, unknown> = {}, evidence: ReceiptEvidence = noEvidence): Step =>
  (run) => ({
    type: 'record-receipts',
    receipts: [{ cause: run.nextCause(), incoming: readReceipt(receiptText(run, taskId, altered)), evidence }],
  })

export const failed = (taskId: string, error: object = { message: 'it broke' }): Step =>
  receipt(taskId, { status: 'failed', output: null, error })

/** A task from dispatch to acceptance. */
export const settled = (taskId: string): Step[] => [dispatch(taskId), receipt(taskId), { type: 'accept', taskId }]
