import { z } from 'zod'
import { limits } from '../protocol/limits.js'
import { spawnRequestSchema } from '../protocol/task.js'
import { describeIssues } from './describe-issues.js'
import type { FoundResult } from './result-lines.js'

/** What a program may say about its attempt in one line of JSON on standard output. All keys are optional; no others are known. */
export const programResultSchema = z.strictObject({
  /** Any JSON value. Default null. */
  output: z.unknown().optional(),
  /** Default `completed`, or `failed` if there is an `error`. */
  status: z.enum(['completed', 'partial', 'failed']).optional(),
  /** Why it failed, or is partial. `retryable`: whether another attempt may help; default true, with exit code 100 false. */
  error: z
    .union([
      z.string(),
      z.strictObject({ message: z.string(), code: z.string().optional(), retryable: z.boolean().optional() }),
    ])
    .optional(),
  /** The last point that was reached. */
  stoppedAt: z.string().optional(),
  /** How the next attempt or a person goes on from there. */
  resumeInstructions: z.string().optional(),
  usage: z
    .strictObject({
      tokens: z.number().int().min(0).optional(),
      costUsd: z.number().min(0).max(limits.receiptCostUsdMax).optional(),
    })
    .optional(),
  /** Tasks that it asks for; the coordinator decides. */
  spawn: z.array(spawnRequestSchema).max(limits.spawnRequestsMax).optional(),
})
export type ProgramResult = z.input<typeof programResultSchema>

/** With this exit code an attempt has failed for good: no other one is made. */
const failedForGoodCode = 100

/** How the program ended, in words, and what stands behind them. */
export interface ProgramFacts {
  /** `exited with code 3` and the like. */
  readonly endWords: string
  /** `null`: it was ended by a signal, or not started. */
  readonly exitCode: number | null
  /** What was found on standard output. */
  readonly found: FoundResult
  /** The end of what it said on standard error, on one line. */
  readonly said: string
}

/** What an attempt comes to. */
export type ProgramVerdict = {
  readonly usage: { readonly tokens?: number; readonly costUsd?: number }
  readonly spawn: ProgramResult['spawn']
} & (
  | { readonly status: 'completed'; readonly output: unknown }
  | { readonly status: 'partial'; readonly output: unknown; readonly stop: Stop }
  | { readonly status: 'failed'; readonly stop: Stop & { readonly code: string; readonly retryable: boolean } }
)

interface Stop {
  readonly message: string
  readonly code?: string
  readonly stoppedAt?: string
  readonly resumeInstructions?: string
}

/** A line that says failed is believed; one that says anything better only with exit code 0. */
export function judgeProgram(facts: ProgramFacts): ProgramVerdict {
  const { found, exitCode } = facts
  const parsed = found.found === 'result' ? programResultSchema.safeParse(found.value) : null
  const result: ProgramResult = parsed?.success ? parsed.data : {}
  const { spawn, output = null } = result
  const { tokens, costUsd } = result.usage ?? {}
  const usage = { ...(tokens !== undefined && { tokens }), ...(costUsd !== undefined && { costUsd }) }
  const error = typeof result.error === 'string' ? { message: result.error } : result.error
  const status = result.status ?? (error === undefined ? 'completed' : 'failed')
  const { stoppedAt, resumeInstructions } = result
  const stop = {
    ...(error?.code !== undefined && { code: error.code }),
    ...(stoppedAt !== undefined && { stoppedAt }),
    ...(resumeInstructions !== undefined && { resumeInstructions }),
  }
  const failed = (message: string, code: string, retryable: boolean): ProgramVerdict => ({
    ...{ status: 'failed', usage, spawn: undefined },
    stop: { ...stop, message, code: error?.code ?? code, retryable: error?.retryable ?? retryable },
  })
  if (exitCode !== 0 || status === 'failed') {
    const message = error?.message ?? `the program ${facts.endWords}${facts.said === '' ? '' : `: ${facts.said}`}`
    return failed(message, 'PROGRAM_FAILED', exitCode !== failedForGoodCode)
  }
  // Of no use for another attempt, unless the program is mended.
  if (found.found === 'problem') return failed(found.message, found.code, found.code !== 'RESULT_TOO_LARGE')
  if (parsed !== null && !parsed.success) {
    const message = `the result on standard output does not have the documented form: ${describeIssues(parsed.error)}`
    return failed(message, 'RESULT_INVALID', true)
  }
  if (status === 'completed') return { status, output, usage, spawn }
  return {
    status,
    output,
    usage,
    spawn,
    stop: { message: error?.message ?? 'the program stopped before it was done', ...stop },
  }
}
