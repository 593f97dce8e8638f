import type { ArtifactStore } from '../ports/artifact-store.js'
import type { Runtime } from '../ports/runtime.js'
import type { Delivery } from '../ports/task-queue.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { Cause } from '../protocol/events.js'
import { copyJson } from '../protocol/json.js'
import { type AttemptResult, attemptError, endedBy, endedByThrow } from './attempt-result.js'
import { buildReceipt, type ReceiptAuthor } from './build-receipt.js'
import type { DeadlineSweep } from './deadline-sweep.js'
import type { TaskHandler } from './define-task.js'
import { nameOf, type OpenAttempt, openAttempt } from './open-attempt.js'
import { readDispatch } from './read-dispatch.js'
import type { ReceiptOutbox } from './receipt-outbox.js'
import { PartialResult } from './task-context.js'
import type { WorkerEvents } from './worker-events.js'

/** What all attempts of a worker share. */
export interface AttemptTools {
  readonly runtime: Runtime
  readonly handlers: ReadonlyMap<string, TaskHandler>
  readonly artifacts: ArtifactStore | undefined
  readonly author: ReceiptAuthor
  readonly outbox: ReceiptOutbox
  readonly deadlines: DeadlineSweep<OpenAttempt>
  emit<Name extends keyof WorkerEvents>(name: Name, ...args: WorkerEvents[Name]): void
}

/**
 * Claim → handler → receipt. Resolves, which settles the delivery, once the receipt is durable, or if none will
 * ever follow: the attempt was withdrawn, its dispatch is damaged, or the run takes no receipts. Rejects, which
 * gives it back, if the worker shuts down first or the claim was lost.
 */
export async function runAttempt(delivery: Delivery, tools: AttemptTools): Promise<void> {
  const attempt = open(delivery, tools)
  if (attempt === null) return
  const { runId, taskId, attempt: number, kind } = attempt.dispatch
  tools.emit('claimed', { runId, taskId, attempt: number })
  const handler = tools.handlers.get(kind)
  const begun = begin(attempt, handler, tools)
  if ('status' in begun) return answer(attempt, begun, tools)

  tools.deadlines.add(attempt)
  const result = await runHandler(attempt, begun.handler, begun.run)
  tools.deadlines.delete(attempt)
  if (attempt.answer !== null) return attempt.answer
  attempt.end()
  if (delivery.signal.aborted) return leave(delivery.signal.reason)
  return answer(attempt, result, tools)
}

/** The receipt at the deadline, before the handler has ended. Its slot stays taken until it does. */
export function answerAtDeadline(attempt: OpenAttempt, tools: AttemptTools): void {
  if (attempt.delivery.signal.aborted) return
  const passed = deadlinePassed(attempt)
  attempt.end(new RepriseError('TIMEOUT', `${nameOf(attempt.dispatch)} was stopped: its deadline passed.`))
  attempt.answer = answer(attempt, passed, tools)
  // Whoever runs the attempt awaits it when the handler ends, which may be later than it fails.
  attempt.answer.catch(() => {})
}

function open(delivery: Delivery, { runtime, artifacts, emit }: AttemptTools): OpenAttempt | null {
  try {
    const { dispatch, deadlineMs } = readDispatch(delivery.offer)
    return openAttempt(delivery, dispatch, deadlineMs, runtime.now(), artifacts)
  } catch (error) {
    // Giving it back would only bring it again. Settled without a receipt, it is offered anew at its deadline.
    emit('error', error)
    return null
  }
}

type Run = (task: OpenAttempt['context']) => unknown

function begin(
  attempt: OpenAttempt,
  handler: TaskHandler | undefined,
  { author }: AttemptTools,
): AttemptResult | { handler: TaskHandler; run: Run } {
  const { delivery, dispatch, deadlineMs, startedMs } = attempt
  const { kind, deliveriesMax } = dispatch
  if (handler === undefined) {
    // Not given back: with no other worker about, the two would toss it to and fro.
    const message = `worker ${author.workerId} has no handler for tasks of kind ${kind}`
    return endedBy('refused', 'UNKNOWN_KIND', message, true)
  }
  if (delivery.deliveries > deliveriesMax) {
    const had = delivery.earlierWorkers ?? []
    const who = had.length === 0 ? '' : ` (${had.join(', ')})`
    const message = `the attempt was handed out ${delivery.deliveries} times, ${deliveriesMax} are allowed: its workers died or gave it back${who}`
    return endedBy('failed', 'POISON', message, false)
  }
  if (startedMs >= deadlineMs) return deadlinePassed(attempt)
  try {
    const prepared = handler.prepare(dispatch.input)
    if ('run' in prepared) return { handler, run: prepared.run }
    return endedBy(
      'refused',
      'INVALID_INPUT',
      `the input does not fit the schema of kind ${kind}: ${prepared.issues}`,
      false,
    )
  } catch (error) {
    return endedByThrow(error)
  }
}

async function runHandler(attempt: OpenAttempt, handler: TaskHandler, run: Run): Promise<AttemptResult> {
  try {
    const returned = await run(attempt.context)
    const settling = attempt.gathered.artifactsSettled()
    if (settling !== null) await settling
    return judge(returned, handler)
  } catch (error) {
    return endedByThrow(error)
  }
}

function judge(returned: unknown, handler: TaskHandler): AttemptResult {
  const partial = returned instanceof PartialResult ? returned : null
  const output: unknown = partial === null ? returned : partial.output
  const issues = handler.outputIssues(output)
  if (issues !== null) {
    return endedBy(
      'failed',
      'OUTPUT_INVALID',
      `the output does not fit the schema of kind ${handler.kind}: ${issues}`,
      true,
    )
  }
  const copied = copyJson(output)
  if ('problem' in copied) return endedBy('failed', 'OUTPUT_INVALID', `the output is not JSON: ${copied.problem}`, true)
  return partial === null
    ? { status: 'completed', output: copied.copy }
    : { status: 'partial', output: copied.copy, error: attemptError(partial.stop, true) }
}

const deadlinePassed = ({ dispatch }: OpenAttempt): AttemptResult =>
  endedBy('failed', 'DEADLINE', `the deadline ${dispatch.deadlineAt} passed before the handler ended`, true)

async function answer(attempt: OpenAttempt, result: AttemptResult, tools: AttemptTools): Promise<void> {
  const { delivery, dispatch, startedMs, gathered } = attempt
  const { runId, taskId } = dispatch
  const worked = result.status === 'completed' || result.status === 'partial'
  const { body, status } = buildReceipt(
    {
      dispatch,
      digest: delivery.offer.digest,
      result,
      artifacts: gathered.artifacts(),
      // What a failed attempt asked for is asked for again by the next.
      spawnRequests: worked ? gathered.spawnRequests : [],
      spent: gathered.spent(),
      startedMs,
      finishedMs: tools.runtime.now(),
    },
    tools.author,
  )
  let cause: Cause
  try {
    cause = await tools.outbox.send(runId, body)
  } catch (error) {
    // A run that does not take the receipt now never will: delivering the attempt again would not change that.
    if (isRepriseError(error) && error.retry === 'never') return
    throw error
  }
  tools.emit('receipt', { runId, taskId, attempt: dispatch.attempt, status, cause })
}

/** A withdrawn attempt is done with. The others are given back: by a worker that shuts down, or in vain. */
function leave(reason: unknown): void {
  if (!isRepriseError(reason, 'ATTEMPT_WITHDRAWN')) throw reason
}
