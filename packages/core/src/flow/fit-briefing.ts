import { RepriseError } from '../protocol/errors.js'
import type { Briefing, Told } from './briefing.js'
import { briefingText } from './briefing-text.js'

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
  /** Stands in `dropped`. */
  readonly name: string
  readonly drop: (briefing: Briefing) => Briefing
}

/**
 * The order in which a briefing is cut down, least needed first. What says where the run stands, what is next and what may be
 * done is never dropped; the goal, the criteria and what came back are cut off last.
 */
const steps: readonly Step[] = [
  { name: 'settled tasks', drop: (b) => ({ ...b, lastSettled: newest(b.lastSettled, 0) }) },
  { name: 'troubles but the newest 5', drop: (b) => ({ ...b, troubles: newest(b.troubles, 5) }) },
  { name: 'planned tasks but the first 5', drop: (b) => ({ ...b, planned: first(b.planned, 5) }) },
  { name: 'notes but the newest 5', drop: (b) => ({ ...b, notes: newest(b.notes, 5) }) },
  { name: 'outputs beyond 500 characters', drop: (b) => clipOutputs(b, 500) },
  { name: 'attempts out but the first 20', drop: (b) => ({ ...b, out: first(b.out, 20) }) },
  { name: 'decisions but the newest 10', drop: (b) => ({ ...b, decisions: newest(b.decisions, 10) }) },
  { name: 'texts beyond 300 characters', drop: (b) => clipTexts(b, 300) },
  { name: 'troubles', drop: (b) => ({ ...b, troubles: newest(b.troubles, 0) }) },
  { name: 'planned tasks', drop: (b) => ({ ...b, planned: first(b.planned, 0) }) },
  { name: 'outputs beyond 100 characters', drop: (b) => clipOutputs(b, 100) },
  { name: 'stopped tasks but the first 10', drop: (b) => ({ ...b, stopped: first(b.stopped, 10) }) },
  { name: 'receipts but the first 10', drop: (b) => ({ ...b, received: first(b.received, 10) }) },
  { name: 'attempts out but the first 5', drop: (b) => ({ ...b, out: first(b.out, 5) }) },
  { name: 'decisions but the newest 3', drop: (b) => ({ ...b, decisions: newest(b.decisions, 3) }) },
  { name: 'notes', drop: (b) => ({ ...b, notes: newest(b.notes, 0) }) },
  { name: 'texts beyond 80 characters', drop: (b) => clipTexts(b, 80) },
  { name: 'attempts out', drop: (b) => ({ ...b, out: first(b.out, 0) }) },
  { name: 'decisions', drop: (b) => ({ ...b, decisions: newest(b.decisions, 0) }) },
  { name: 'stopped tasks but the first 3', drop: (b) => ({ ...b, stopped: first(b.stopped, 3) }) },
  { name: 'receipts but the first 3', drop: (b) => ({ ...b, received: first(clipOutputs(b, 0).received, 3) }) },
  { name: 'what would be refused', drop: (b) => ({ ...b, may: b.may.filter(({ allowed }) => allowed) }) },
]

/** Cuts a briefing down, step by step, until its text has at most `tokenBudget` tokens. `TOO_LARGE` if it never has. */
export function fitBriefing(
  whole: Briefing,
  tokenBudget: number,
  countTokens: CountTokens,
  token: string,
): FittedBriefing {
  let briefing = whole
  for (let next = 0; ; ) {
    const text = briefingText(briefing, token)
    const tokens = countTokens(text)
    if (tokens <= tokenBudget) return { briefing, text, tokens }
    const before = briefing
    let step = steps[next++]
    for (; step !== undefined; step = steps[next++]) {
      briefing = { ...step.drop(before), dropped: [...before.dropped, step.name] }
      // One that drops nothing is not counted.
      if (changes(before, briefing)) break
    }
    if (step === undefined) throw tooSmall(whole, tokenBudget, tokens)
  }
}

const changes = (before: Briefing, after: Briefing): boolean =>
  JSON.stringify({ ...before, dropped: [] }) !== JSON.stringify({ ...after, dropped: [] })

const tooSmall = ({ runId }: Briefing, tokenBudget: number, tokensMin: number): RepriseError =>
  new RepriseError(
    'TOO_LARGE',
    `A briefing of run ${runId} does not fit into ${tokenBudget} tokens: what must be told takes ${tokensMin}. Allow at least that many.`,
    { details: { runId, tokenBudget, tokensMin } },
  )

const first = <T>({ total, items }: Told<T>, max: number): Told<T> => ({ total, items: items.slice(0, max) })
const newest = <T>({ total, items }: Told<T>, max: number): Told<T> => ({
  total,
  items: max === 0 ? [] : items.slice(-max),
})
const clip = (text: string, max: number): string => (text.length <= max ? text : `${text.slice(0, max)}…`)

const clipOutputs = (briefing: Briefing, max: number): Briefing => ({
  ...briefing,
  received: {
    ...briefing.received,
    items: briefing.received.items.map((item) => ({ ...item, output: clip(item.output, max) })),
  },
})

function clipTexts(briefing: Briefing, max: number): Briefing {
  const events = <T extends { readonly text: string }>({ total, items }: Told<T>): Told<T> => ({
    total,
    items: items.map((item) => ({ ...item, text: clip(item.text, max) })),
  })
  const maybe = (text: string | null): string | null => (text === null ? null : clip(text, max))
  return {
    ...briefing,
    goal: clip(briefing.goal, max * 2),
    reason: maybe(briefing.reason),
    blockers: briefing.blockers.map((text) => clip(text, max)),
    checkpoint: briefing.checkpoint && { ...briefing.checkpoint, note: clip(briefing.checkpoint.note, max) },
    criteria: briefing.criteria.map((each) => ({
      ...each,
      text: clip(each.text, max),
      evidence: maybe(each.evidence),
    })),
    stopped: {
      ...briefing.stopped,
      items: briefing.stopped.items.map((item) => ({
        ...item,
        reason: clip(item.reason, max),
        stoppedAt: maybe(item.stoppedAt),
        resumeInstructions: maybe(item.resumeInstructions),
      })),
    },
    decisions: events(briefing.decisions),
    troubles: events(briefing.troubles),
    notes: events(briefing.notes),
    lastSettled: events(briefing.lastSettled),
  }
}
