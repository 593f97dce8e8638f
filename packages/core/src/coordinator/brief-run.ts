import { z } from 'zod'
import { type Briefing, briefingOf } from '../flow/briefing.js'
import { decideCommand } from '../flow/decide-command.js'
import { type CountTokens, estimateTokens, fitBriefing } from '../flow/fit-briefing.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { SnapshotStore } from '../ports/snapshot-store.js'
import { RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { issueToken } from './context-token.js'
import { loadRun } from './load-run.js'

export interface BriefingOptions {
  /** Tokens that the text may have. Default 4,000. */
  readonly tokenBudget?: number
  /** Counts the tokens of a text. Default: four characters are one. */
  readonly countTokens?: CountTokens
}

export interface BriefRunOptions extends BriefingOptions {
  /** As for `loadRun`: what is kept here is not read again. */
  readonly snapshots?: SnapshotStore | undefined
}

/** A briefing as data and as text, with the token of the version that it tells of. */
export interface RunBriefing {
  readonly briefing: Briefing
  readonly text: string
  readonly tokens: number
  /** For `execute` and `sendCommand`: stands in the text as well. */
  readonly token: string
}

const optionsSchema = z.strictObject({
  tokenBudget: z.number().int().min(1).default(4_000),
  countTokens: z
    .custom<CountTokens>((value) => typeof value === 'function', 'pass a function')
    .default(() => estimateTokens),
})

/** What a briefing can tell of this state. */
export const wholeBriefing = (state: RunState): Briefing => briefingOf(state, decideCommand)

/** Fits it to the budget and issues its token. `first`: hash of the run's first commit. */
export function finishBriefing(whole: Briefing, first: string, options: BriefingOptions): RunBriefing {
  const parsed = optionsSchema.safeParse(options)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new RepriseError(
      'INVALID_INPUT',
      `A briefing was asked for with an invalid ${issue?.path.join('.')}: ${issue?.message}.`,
    )
  }
  const { tokenBudget, countTokens } = parsed.data
  const { version, epoch, holder } = whole
  const token = issueToken(whole.runId as RunId, { version, epoch, holder: holder?.id ?? null }, first)
  return { ...fitBriefing(whole, tokenBudget, countTokens, token), token }
}

/**
 * A briefing for who does not hold the run. Reads the whole log, or what is behind its snapshot. `RUN_UNKNOWN` if there is none, `TOO_LARGE` if what must
 * be told does not fit the budget.
 */
export async function briefRun(log: CommitLog, runId: RunId, options: BriefRunOptions = {}): Promise<RunBriefing> {
  const { snapshots, ...briefing } = options
  const { state, first } = await loadRun(log, runId, { snapshots })
  if (first === null) {
    throw new RepriseError('RUN_UNKNOWN', `There is no run ${runId}. Check the run id and where the adapter points.`, {
      details: { runId },
    })
  }
  return finishBriefing(wholeBriefing(state), first, briefing)
}
