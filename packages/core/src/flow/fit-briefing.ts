import { RepriseError } from '../protocol/errors.js'
import type { Briefing } from './briefing.js'
import { briefingText } from './briefing-text.js'
import { clipJson, clipTexts, dropNames, shorten } from './clip-briefing.js'

/** Says how many tokens a text is. */
export type CountTokens = (text: string) => number

/** Four characters a token: what most tokenizers come to for English and JSON. */
export const estimateTokens: CountTokens = (text) => Math.ceil(text.length / 4)

export interface FittedBriefing {
  readonly briefing: Briefing
  readonly text: string
  readonly tokens: number
}

/**
 * The order in which a briefing is cut down, least needed first, under the names that stand in `dropped`. What says where the run
 * stands, what is next and what may be done is never dropped; the goal, the criteria and what came back are cut off last.
 */
export const droppingOrder: readonly (readonly [name: string, drop: (briefing: Briefing) => Briefing])[] = [
  ['what was accepted last', (b) => shorten(b, 'lastAccepted', 0)],
  ['troubles but the newest 5', (b) => shorten(b, 'troubles', 5, 'newest')],
  ['refusals but the newest 3', (b) => shorten(b, 'refusals', 3, 'newest')],
  ['planned tasks but the first 5', (b) => shorten(b, 'planned', 5)],
  ['notes but the newest 5', (b) => shorten(b, 'notes', 5, 'newest')],
  ['inputs beyond 100 characters', (b) => clipJson(b, 'input', 100)],
  ['outputs beyond 500 characters', (b) => clipJson(b, 'output', 500)],
  ['attempts out but the first 50', (b) => shorten(b, 'out', 50)],
  ['decisions but the newest 10', (b) => shorten(b, 'decisions', 10, 'newest')],
  ['texts beyond 300 characters', (b) => clipTexts(b, 300)],
  ['troubles', (b) => shorten(b, 'troubles', 0)],
  ['refusals', (b) => shorten(b, 'refusals', 0)],
  ['planned tasks', (b) => shorten(b, 'planned', 0)],
  ['receipts but the first 30', (b) => shorten(b, 'received', 30)],
  ['attempts out but the first 20', (b) => shorten(b, 'out', 20)],
  ['inputs', (b) => clipJson(b, 'input', 0)],
  ['outputs beyond 100 characters', (b) => clipJson(b, 'output', 100)],
  ['stopped tasks but the first 10', (b) => shorten(b, 'stopped', 10)],
  ['receipts but the first 10', (b) => shorten(b, 'received', 10)],
  ['attempts out but the first 5', (b) => shorten(b, 'out', 5)],
  ['decisions but the newest 3', (b) => shorten(b, 'decisions', 3, 'newest')],
  ['names of artifacts and of tasks asked for', dropNames],
  ['notes', (b) => shorten(b, 'notes', 0)],
  ['texts beyond 80 characters', (b) => clipTexts(b, 80)],
  ['attempts out', (b) => shorten(b, 'out', 0)],
  ['decisions', (b) => shorten(b, 'decisions', 0)],
  ['stopped tasks but the first 3', (b) => shorten(b, 'stopped', 3)],
  ['receipts but the first 3', (b) => shorten(b, 'received', 3)],
  ['outputs', (b) => clipJson(b, 'output', 0)],
  ['what would be refused', (b) => withoutRefused(b)],
]

/**
 * Cuts a briefing down, step by step, until its text has at most `tokenBudget` tokens. `TOO_LARGE` if it never has, with
 * the least budget that does (`details.tokensMin`).
 */
export function fitBriefing(
  whole: Briefing,
  tokenBudget: number,
  countTokens: CountTokens,
  token: string,
): FittedBriefing {
  let tokensMin = Number.POSITIVE_INFINITY
  for (const briefing of stages(whole)) {
    const text = briefingText(briefing, token)
    const tokens = countTokens(text)
    if (!(tokens >= 0)) throw badCount(whole, tokens)
    if (tokens <= tokenBudget) return { briefing, text, tokens }
    // Not always the last: a step may take away less than its name takes.
    tokensMin = Math.min(tokensMin, tokens)
  }
  throw tooSmall(whole, tokenBudget, tokensMin)
}

/** The whole, then what each step leaves; one that drops nothing is not counted. */
function* stages(whole: Briefing): Generator<Briefing> {
  let briefing = whole
  yield briefing
  for (const [name, drop] of droppingOrder) {
    const less = drop(briefing)
    if (less === briefing) continue
    briefing = { ...less, dropped: [...briefing.dropped, name] }
    yield briefing
  }
}

function withoutRefused(briefing: Briefing): Briefing {
  const may = briefing.may.filter(({ allowed }) => allowed)
  // That nothing may be done is not left out.
  return may.length === 0 || may.length === briefing.may.length ? briefing : { ...briefing, may }
}

const tooSmall = ({ runId }: Briefing, tokenBudget: number, tokensMin: number): RepriseError =>
  new RepriseError(
    'TOO_LARGE',
    `A briefing of run ${runId} does not fit into ${tokenBudget} tokens: what must be told takes ${tokensMin}. Allow at least that many.`,
    { details: { runId, tokenBudget, tokensMin } },
  )

const badCount = ({ runId }: Briefing, tokens: unknown): RepriseError =>
  new RepriseError(
    'INVALID_INPUT',
    `countTokens said that a briefing of run ${runId} has ${tokens} tokens. Pass a function that gives a number from 0.`,
    { details: { runId } },
  )
