import { assertInvariant } from '../protocol/errors.js'
import type { EventData } from '../protocol/events.js'
import type { OpenTask, RunState } from '../protocol/state.js'
import { dispatchBody, type Offer, type TaskSpec } from '../protocol/task.js'
import { epochMs, isoTime } from '../protocol/time.js'
import { type DecideContext, policyOf } from './decision.js'

/** One more attempt of a task: the data of its event, without the task itself, and what goes to a worker. */
export function dispatchAttempt(
  state: RunState,
  spec: TaskSpec,
  attempt: number,
  context: DecideContext,
): { data: EventData<'dispatched'>; offer: Offer } {
  const timeoutMs = spec.timeoutMs ?? policyOf(state).attemptTimeoutMs
  const deadlineAt = isoTime(epochMs(context.now) + timeoutMs)
  const offer = offerOf(state, spec, attempt, state.epoch, deadlineAt)
  return { data: { taskId: spec.taskId, attempt, deadlineAt, digest: offer.digest }, offer }
}

/** Every attempt that must be with a worker or on its way to one. Offering it again is harmless. */
export function planDeliveries(state: RunState): Offer[] {
  const offers: Offer[] = []
  for (const task of state.tasks.values()) if (task.phase === 'out') offers.push(redeliver(state, task))
  return offers
}

function redeliver(state: RunState, task: OpenTask): Offer {
  const offer = offerOf(state, task.spec, task.attempt, task.epoch, task.deadlineAt ?? '')
  assertInvariant(offer.digest === task.digest, `task ${task.spec.taskId} would be redelivered with another digest`)
  return offer
}

function offerOf(state: RunState, spec: TaskSpec, attempt: number, epoch: number, deadlineAt: string): Offer {
  const { deliveriesMax, artifactBytesMax } = policyOf(state)
  assertInvariant(state.runId !== null, 'a run that dispatches is open')
  const run = { runId: state.runId, deliveriesMax, artifactBytesMax }
  const { body, digest } = dispatchBody(run, spec, attempt, epoch, deadlineAt)
  return { runId: state.runId, taskId: spec.taskId, attempt, lane: spec.lane, digest, body }
}
