import { statusOf } from '../src/coordinator/run-status.js'
import { restingMode } from '../src/flow/mode-table.js'
import { planDeliveries } from '../src/flow/plan-deliveries.js'
import { initialState, reduceCommit } from '../src/flow/reduce-event.js'
import type { InboxMessage } from '../src/ports/inbox.js'
import type { EventType, Mode, RunEvent } from '../src/protocol/events.js'
import { resumeGates } from '../src/protocol/events.js'
import type { RunState } from '../src/protocol/state.js'
import type { GivenRun } from './given-run.js'
import { violations } from './invariants.js'
import { hashOf } from './log-history.js'
import { type Holding, RunStage, runId } from './run-stage.js'

/** A stage on which a run lies that nobody holds, as its log was left. */
export function stageOf(run: GivenRun, gapMs: number): RunStage {
  const stage = new RunStage()
  stage.clock.step(run.nowMs + gapMs - stage.clock.now())
  const records = run.lines.map((text, index) => ({ index, hash: hashOf(text) ?? '', text }))
  stage.backend.runs.records.set(runId, records)
  return stage
}

/** Puts a message where the next reader finds it, also one that was there before: transports repeat. */
export function deliver(stage: RunStage, message: InboxMessage): void {
  const box = stage.backend.inboxes.of(runId)
  box.pending.push(message)
  box.arrived.ring()
}

export const stateOf = (stage: RunStage): RunState => stage.commits.reduce(reduceCommit, initialState())

/** What may stand in the log between taking the lock and passing the last gate. */
const beforeTheLastGate: ReadonlySet<EventType> = new Set<EventType>([
  'lock-acquired',
  'mode-changed',
  'receipt-received',
  'receipt-rejected',
  'task-rejected',
  'planned',
  'resumed',
])

/** What is wrong with the log after an opening, from event `since` on; `base` is the run as it was before. */
export function* logProblems(stage: RunStage, since: number): Generator<string> {
  const { events } = stage
  const out = new Map<string, number>()
  const dispatched = new Set<string>()
  let gatesPassed = false
  for (const [i, event] of events.entries()) {
    if (event.type === 'lock-acquired') gatesPassed = false
    else if (event.type === 'resumed') gatesPassed = event.data.gates.every(({ pass }) => pass)
    else if (!gatesPassed && i >= since && !mayComeBeforeTheLastGate(event)) {
      yield `${event.type} came before the last gate`
    }
    if (event.type === 'dispatched') {
      const { taskId, attempt } = event.data
      if (out.has(taskId)) yield `${taskId}/${attempt} was dispatched while attempt ${out.get(taskId)} was out`
      if (dispatched.has(`${taskId}/${attempt}`)) yield `${taskId}/${attempt} was dispatched twice`
      dispatched.add(`${taskId}/${attempt}`)
      out.set(taskId, attempt)
    }
    const ended = endOf(event)
    if (ended !== null) out.delete(ended)
  }
}

const mayComeBeforeTheLastGate = (event: RunEvent): boolean =>
  beforeTheLastGate.has(event.type) &&
  (event.type !== 'task-rejected' || event.data.by === 'policy') &&
  (event.type !== 'planned' || event.data.why === 'retry')

function endOf(event: RunEvent): string | null {
  switch (event.type) {
    case 'receipt-received':
      return event.data.receipt.taskId
    case 'attempt-expired':
    case 'task-cancelled':
    case 'task-abandoned':
      return event.data.taskId
    default:
      return null
  }
}

/** What is wrong with a run that was just opened, against its log. */
export function* openProblems(stage: RunStage, { run }: Holding, found: Mode, expected: Mode | undefined) {
  const state = stateOf(stage)
  const evidence = {
    lines: stage.backend.recordsOf(runId).map(({ text }) => text),
    linesBefore: [],
    appends: [],
    offers: [...stage.backend.lanes.attempts.values()].map(({ offer }) => offer),
    told: [run.status],
    waits: [],
    now: stage.clock.now(),
  }
  yield* violations(evidence)
  if (JSON.stringify(statusOf(state)) !== JSON.stringify(run.status)) yield 'the status told is not that of the log'
  if (found === 'closed') return
  if (state.mode !== 'closed' && state.mode !== restingMode(state)) {
    yield `the run was left ${state.mode}, its log supports ${restingMode(state)}`
  }
  const { gates, corrections } = stage.of('resumed').at(-1)!
  if (gates.map(({ gate }) => gate).join() !== resumeGates.join()) yield 'the gates are not all there in their order'
  if (!gates.every(({ pass, evidence: shown }) => pass && shown.length > 0)) yield 'a gate has no evidence'
  const aboutTheCaller = corrections.filter((text) => text.startsWith('mode: the caller expected'))
  const wanted = expected === undefined || expected === found ? [] : [expected]
  if (aboutTheCaller.length !== wanted.length) yield `a wrong belief was corrected ${aboutTheCaller.length} times`
  for (const mode of wanted) {
    if (!aboutTheCaller[0]?.includes(`expected ${mode}, the log says ${found}`)) yield 'the correction says otherwise'
  }
  if (state.mode === 'closed') return
  for (const { taskId, attempt, digest } of planDeliveries(state)) {
    const queued = [...stage.backend.lanes.attempts.values()].filter(({ offer }) => offer.digest === digest)
    if (queued.length !== 1) yield `${taskId}/${attempt} is out and stands ${queued.length} times in the queue`
  }
  if (stage.backend.messagesOf(runId).length > 0) yield 'a message was left lying'
}
