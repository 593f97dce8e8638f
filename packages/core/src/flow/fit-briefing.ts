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

interface Step {
  /** What it is about: a later step about the same takes the place of an earlier one in `dropped`. */
  readonly of: string
  /** What is left of it. */
  readonly but?: string
  readonly drop: (briefing: Briefing) => Briefing
}

/**
 * The order in which a briefing is cut down, least needed first. What says where the run stands, what is next and what may be
 * done is never dropped; the goal, the criteria and what came back are cut off last.
 */
export const droppingOrder: readonly Step[] = [
  { of: 'what was accepted last', drop: (b) => shorten(b, 'lastAccepted', 0) },
  { of: 'troubles', but: 'the newest 5', drop: (b) => shorten(b, 'troubles', 5, 'newest') },
  { of: 'refused commands', but: 'the newest 3', drop: (b) => shorten(b, 'refusals', 3, 'newest') },
  { of: 'planned tasks', but: 'the first 5', drop: (b) => shorten(b, 'planned', 5) },
  { of: 'notes', but: 'the newest 5', drop: (b) => shorten(b, 'notes', 5, 'newest') },
  { of: 'inputs', but: '100 characters', drop: (b) => clipJson(b, 'input', 100) },
  { of: 'outputs', but: '500 characters', drop: (b) => clipJson(b, 'output', 500) },
  { of: 'attempts out', but: 'the first 50', drop: (b) => shorten(b, 'out', 50) },
  { of: 'decisions', but: 'the newest 10', drop: (b) => shorten(b, 'decisions', 10, 'newest') },
  { of: 'texts', but: '300 characters', drop: (b) => clipTexts(b, 300) },
  { of: 'troubles', drop: (b) => shorten(b, 'troubles', 0) },
  { of: 'refused commands', drop: (b) => shorten(b, 'refusals', 0) },
  { of: 'planned tasks', drop: (b) => shorten(b, 'planned', 0) },
  { of: 'receipts', but: 'the first 30', drop: (b) => shorten(b, 'received', 30) },
  { of: 'attempts out', but: 'the first 20', drop: (b) => shorten(b, 'out', 20) },
  { of: 'inputs', drop: (b) => clipJson(b, 'input', 0) },
  { of: 'outputs', but: '100 characters', drop: (b) => clipJson(b, 'output', 100) },
  { of: 'stopped tasks', but: 'the first 10', drop: (b) => shorten(b, 'stopped', 10) },
  { of: 'receipts', but: 'the first 10', drop: (b) => shorten(b, 'received', 10) },
  { of: 'attempts out', but: 'the first 5', drop: (b) => shorten(b, 'out', 5) },
  { of: 'decisions', but: 'the newest 3', drop: (b) => shorten(b, 'decisions', 3, 'newest') },
  { of: 'names of artifacts and of tasks asked for', drop: dropNames },
  { of: 'notes', but: 'the newest', drop: (b) => shorten(b, 'notes', 1, 'newest') },
  { of: 'texts', but: '80 characters', drop: (b) => clipTexts(b, 80) },
  { of: 'attempts out', drop: (b) => shorten(b, 'out', 0) },
  { of: 'decisions', drop: (b) => shorten(b, 'decisions', 0) },
  { of: 'notes', drop: (b) => shorten(b, 'notes', 0) },
  { of: 'stopped tasks', but: 'the first 3', drop: (b) => shorten(b, 'stopped', 3) },
  { of: 'receipts', but: 'the first 3', drop: (b) => shorten(b, 'received', 3) },
  { of: 'outputs', drop: (b) => clipJson(b, 'output', 0) },
  { of: 'what would be refused', drop: (b) => withoutRefused(b) },
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
  const dropped = new Map<string, string>()
  yield briefing
  for (const { of, but, drop } of droppingOrder) {
    const less = drop(briefing)
    if (less === briefing) continue
    dropped.delete(of)
    dropped.set(of, but === undefined ? of : `${of} but ${but}`)
    briefing = { ...less, dropped: [...dropped.values()] }
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
