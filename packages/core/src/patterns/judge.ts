import type { CommandOutcome } from '../coordinator/outcomes.js'
import type { Run } from '../coordinator/run.js'
import type { TaskResult } from '../coordinator/task-result.js'
import type { CommandInput } from '../protocol/commands.js'
import { type ErrorCode, RepriseError } from '../protocol/errors.js'

/** What is to become of a result. */
export type Verdict =
  | 'accept'
  /** One more attempt, for this reason. If none is left, the task is abandoned. */
  | { readonly retry: string }
  | { readonly abandon: string }
  /** Somebody else settles it; until then it counts as open. */
  | 'leave'

/**
 * Decides what is to become of a result. It is asked again after a crash, so it must not count on being asked once; it
 * may take its time, other results are judged meanwhile. If it throws, the call that asked it rejects.
 */
export type Judge = (result: TaskResult) => Verdict | Promise<Verdict>

/** What every pattern takes. */
export interface PatternOptions {
  /** Default: accepts what is completed, retries what is partial, abandons what has stopped. */
  readonly judge?: Judge
  /** Ends the call, which rejects with its reason. The tasks stay as they are: the same call goes on with them. */
  readonly signal?: AbortSignal
}

const acceptCompleted: Judge = ({ status, reason }) => {
  if (status === 'completed') return 'accept'
  return status === 'partial' ? { retry: reason || 'the result is partial' } : { abandon: reason || 'it has stopped' }
}

/** What `judge` says of a result, if that can be done at all. */
export async function judgeResult(run: Run, judge: Judge = acceptCompleted, result: TaskResult): Promise<Verdict> {
  const verdict: unknown = await judge(result)
  const { taskId, attempt, status, reason } = result
  const details = { runId: run.id, taskId, attempt }
  if (!isVerdict(verdict)) {
    throw new RepriseError(
      'INVALID_INPUT',
      `The judge of task ${taskId} in run ${run.id} answered ${JSON.stringify(verdict)}, which is no verdict: the task is not settled. Return 'accept', { retry }, { abandon } with a reason, or 'leave'.`,
      { details },
    )
  }
  if (verdict === 'accept' && status === 'stopped') {
    throw new RepriseError(
      'RECEIPT_NOT_ACCEPTABLE',
      `The judge accepts attempt ${attempt} of task ${taskId} in run ${run.id}, which has stopped (${reason}): there is nothing to accept. Retry it or abandon it.`,
      { details },
    )
  }
  return verdict
}

function isVerdict(verdict: unknown): verdict is Verdict {
  if (verdict === 'accept' || verdict === 'leave') return true
  if (typeof verdict !== 'object' || verdict === null) return false
  const { retry, abandon } = verdict as { retry?: unknown; abandon?: unknown }
  return (typeof retry === 'string') !== (typeof abandon === 'string')
}

/** Does what the verdict says. What somebody else has decided about the task meanwhile stands. */
export async function settleResult(run: Run, result: TaskResult, verdict: Verdict): Promise<void> {
  if (verdict === 'leave') return
  const { taskId, attempt } = result
  if (verdict === 'accept') return obey(run, { type: 'accept', taskId, attempt })
  if ('abandon' in verdict) return obey(run, { type: 'abandon', taskId, attempt, reason: verdict.abandon })
  const outcome = await run.execute({ type: 'retry', taskId, attempt, reason: verdict.retry })
  if (outcome.ok || outcome.code !== 'ATTEMPTS_EXHAUSTED') return unlessOvertaken(run, outcome)
  await obey(run, { type: 'abandon', taskId, attempt, reason: verdict.retry })
}

async function obey(run: Run, command: CommandInput): Promise<void> {
  unlessOvertaken(run, await run.execute(command))
}

const overtakenCodes: ReadonlySet<ErrorCode> = new Set([
  'TASK_SETTLED',
  'ATTEMPT_SUPERSEDED',
  'RECEIPT_NOT_ACCEPTABLE',
  'NO_RECEIPT',
])

/** Somebody else has settled the task, or asked for another attempt, or rejected this one: that comes back by itself. */
export const isOvertaken = (outcome: Refused): boolean => overtakenCodes.has(outcome.code)

type Refused = Extract<CommandOutcome, { ok: false }>

function unlessOvertaken(run: Run, outcome: CommandOutcome): void {
  if (!outcome.ok && !isOvertaken(outcome)) throw refusalError(run, outcome)
}

export const refusalError = (run: Run, { code, message }: Refused): RepriseError =>
  new RepriseError(code, message, { details: { runId: run.id } })
