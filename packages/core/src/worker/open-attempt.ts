import type { z } from 'zod'
import type { ArtifactStore } from '../ports/artifact-store.js'
import type { Delivery } from '../ports/task-queue.js'
import { RepriseError } from '../protocol/errors.js'
import { limits } from '../protocol/limits.js'
import { type Artifact, usageSchema } from '../protocol/receipt.js'
import { type Dispatch, spawnRequestSchema, type TaskRequest } from '../protocol/task.js'
import { ArtifactCollector } from './collect-artifacts.js'
import { describeIssues } from './describe-issues.js'
import { PartialResult, type TaskContext } from './task-context.js'

export type SpawnRequest = z.output<typeof spawnRequestSchema>

/** An attempt in our hands, from the claim to the receipt. */
export interface OpenAttempt {
  readonly delivery: Delivery
  readonly dispatch: Dispatch
  readonly deadlineMs: number
  readonly startedMs: number
  /** What the handler gets. */
  readonly context: TaskContext
  /** What the handler left for the receipt. */
  readonly gathered: Gathered
  /** Set once a receipt was sent before the handler ended. */
  answer: Promise<void> | null
  /** Refuses what the handler still tries. With a reason, aborts its signal too. */
  end(reason?: RepriseError): void
}

export interface Gathered {
  artifacts(): readonly Artifact[]
  /** Resolves when no artifact is on its way any more; rejects if one of those failed. */
  artifactsSettled(): Promise<void> | null
  readonly spawnRequests: readonly SpawnRequest[]
  spent(): Spent
}

const spentSchema = usageSchema.omit({ durationMs: true })
export type Spent = z.output<typeof spentSchema>

/** Costs next to nothing until the handler asks for more: signals and collectors are made on first use. */
export function openAttempt(
  delivery: Delivery,
  dispatch: Dispatch,
  deadlineMs: number,
  startedMs: number,
  store: ArtifactStore | undefined,
): OpenAttempt {
  const { runId, taskId, attempt, deadlineAt, parent, depth, traceId } = dispatch
  const claim = delivery.signal
  let ended = false
  let endReason: RepriseError | undefined
  let abort: AbortController | undefined
  let collector: ArtifactCollector | undefined
  const spawnRequests: SpawnRequest[] = []
  let spent: Spent = {}

  const overBecause = (): unknown =>
    endReason ?? (claim.aborted ? claim.reason : new RepriseError('CLOSED', `${nameOf(dispatch)} is over.`))
  const checkOpen = (): void => {
    if (ended || claim.aborted) throw overBecause()
  }
  const onClaimAborted = (): void => abort?.abort(claim.reason)

  const context: TaskContext = {
    runId,
    taskId,
    attempt,
    deliveries: delivery.deliveries,
    deadlineAt,
    parent,
    depth,
    traceId,
    get signal() {
      if (abort === undefined) {
        abort = new AbortController()
        if (endReason !== undefined || claim.aborted) abort.abort(overBecause())
        else if (!ended) claim.addEventListener('abort', onClaimAborted, { once: true })
      }
      return abort.signal
    },
    progress(value) {
      checkOpen()
      delivery.progress(value)
    },
    artifact(name, source, options) {
      collector ??= new ArtifactCollector(store, dispatch.artifactBytesMax, checkOpen)
      return collector.add(name, source, options?.mediaType)
    },
    spawn(request) {
      checkOpen()
      spawnRequests.push(readSpawnRequest(dispatch, request, spawnRequests.length))
    },
    usage(more) {
      checkOpen()
      spent = addSpent(dispatch, spent, more)
    },
    partial: (output, stop) => new PartialResult(output, stop),
  }

  return {
    delivery,
    dispatch,
    deadlineMs,
    startedMs,
    context,
    gathered: {
      artifacts: () => collector?.stored ?? [],
      artifactsSettled: () => collector?.settle() ?? null,
      spawnRequests,
      spent: () => spent,
    },
    answer: null,
    end(reason) {
      ended = true
      endReason = reason
      if (abort === undefined) return
      claim.removeEventListener('abort', onClaimAborted)
      if (reason !== undefined) abort.abort(reason)
    },
  }
}

/** For messages: `Attempt 2 of task "a" of run r`. */
export const nameOf = ({ attempt, taskId, runId }: Pick<Dispatch, 'attempt' | 'taskId' | 'runId'>): string =>
  `Attempt ${attempt} of task ${JSON.stringify(taskId)} of run ${runId}`

function readSpawnRequest(dispatch: Dispatch, request: TaskRequest, already: number): SpawnRequest {
  const { parent, ...rest } = request
  if (parent !== undefined && parent !== dispatch.taskId) {
    throw invalid(
      dispatch,
      'spawn',
      `the parent of a spawned task is the task that asks for it, not ${JSON.stringify(parent)}`,
    )
  }
  if (already >= limits.spawnRequestsMax) {
    throw new RepriseError(
      'TOO_LARGE',
      `${nameOf(dispatch)} asked for more than ${limits.spawnRequestsMax} tasks. Ask for one that asks for the others.`,
    )
  }
  const parsed = spawnRequestSchema.safeParse(rest)
  if (!parsed.success) throw invalid(dispatch, 'spawn', describeIssues(parsed.error))
  return parsed.data
}

function addSpent(dispatch: Dispatch, spent: Spent, more: Spent): Spent {
  const parsed = spentSchema.safeParse(more)
  if (!parsed.success) throw invalid(dispatch, 'usage', describeIssues(parsed.error))
  const { tokens, costUsd } = parsed.data
  const sum = {
    ...spent,
    ...(tokens !== undefined && { tokens: (spent.tokens ?? 0) + tokens }),
    ...(costUsd !== undefined && { costUsd: (spent.costUsd ?? 0) + costUsd }),
  }
  if (spentSchema.safeParse(sum).success) return sum
  throw invalid(dispatch, 'usage', 'the sum is too large to be counted')
}

const invalid = (dispatch: Dispatch, call: string, why: string): RepriseError =>
  new RepriseError('INVALID_INPUT', `${nameOf(dispatch)} called ${call} with something else than documented: ${why}.`)
