import type { Command, PlainCommand } from '../protocol/commands.js'
import type { ChecklistItem, EventData, RunEvent } from '../protocol/events.js'
import type { RunState } from '../protocol/state.js'
import { settledOutcome } from '../protocol/state.js'
import { type Decision, decided, event, type Refusal, refuse } from './decision.js'

type Evidence = Extract<Command, { type: 'complete' }>['evidence'][number]

/** Records evidence for a criterion. The same once more changes nothing. */
export function decideMeet(state: RunState, command: Evidence): Decision {
  const met = metBy(state, command)
  if ('code' in met) return { ok: false, refusal: met }
  return decided(isKnown(state, met) ? [] : [event('criterion-met', met)])
}

export function decideReopen(state: RunState, command: Extract<PlainCommand, { type: 'reopen-criterion' }>): Decision {
  const criterion = numberOf(state, command.criterion)
  if (typeof criterion !== 'number') return { ok: false, refusal: criterion }
  if (state.criteria[criterion - 1] === null) {
    return refuse(
      'NO_CHANGE',
      `Success criterion ${criterion} of run ${state.runId} is open already; nothing was recorded.`,
    )
  }
  return decided([event('criterion-reopened', { criterion, reason: command.reason })])
}

/** The evidence that a `complete` brings along, as events; and what has none then. */
export function decideEvidence(
  state: RunState,
  evidence: readonly Evidence[],
): Refusal | { events: RunEvent[]; open: number[] } {
  const events: RunEvent[] = []
  const met = new Set<number>()
  for (const [i, each] of state.criteria.entries()) if (each !== null) met.add(i + 1)
  for (const one of evidence) {
    const data = metBy(state, one)
    if ('code' in data) return data
    met.add(data.criterion)
    if (!isKnown(state, data)) events.push(event('criterion-met', data))
  }
  const open = state.criteria.map((_, i) => i + 1).filter((number) => !met.has(number))
  return { events, open }
}

/** What was checked before a run is called complete, criteria first. `added`: evidence of the same decision. */
export function completionChecklist(state: RunState, added: readonly RunEvent[], projection: string): ChecklistItem[] {
  const evidence = state.criteria.map((each) => each?.evidence ?? '')
  for (const each of added) if (each.type === 'criterion-met') evidence[each.data.criterion - 1] = each.data.evidence
  const { accepted, cancelled, abandoned } = state.counts
  return [
    ...state.successCriteria.map((text, i) => ({
      item: clip(`criterion ${i + 1}: ${text}`, 256),
      pass: true,
      evidence: clip(evidence[i] ?? '', 1024),
    })),
    {
      item: 'every task is settled',
      pass: true,
      evidence: `${accepted} accepted, ${cancelled} cancelled, ${abandoned} abandoned, none open at version ${state.version}`,
    },
    { item: 'the state file equals the log', pass: true, evidence: clip(projection, 1024) },
  ]
}

const clip = (text: string, max: number): string => (text.length <= max ? text : `${text.slice(0, max - 1)}…`)

function metBy(state: RunState, { criterion, evidence, tasks }: Evidence): EventData<'criterion-met'> | Refusal {
  const number = numberOf(state, criterion)
  if (typeof number !== 'number') return number
  for (const taskId of tasks) {
    const packed = state.settled.get(taskId)
    const outcome = packed === undefined ? (state.tasks.get(taskId)?.phase ?? 'not in the run') : settledOutcome(packed)
    if (outcome === 'accepted') continue
    return {
      code: 'EVIDENCE_MISSING',
      message: `The evidence for success criterion ${number} names task ${taskId}, which is ${outcome}: only accepted tasks show anything. Accept it first, or name another.`,
      details: { criterion: number, taskId, outcome },
    }
  }
  return { criterion: number, evidence, tasks: [...tasks] }
}

function isKnown(state: RunState, met: EventData<'criterion-met'>): boolean {
  const known = state.criteria[met.criterion - 1]
  return known?.evidence === met.evidence && known.tasks.join('\n') === met.tasks.join('\n')
}

function numberOf(state: RunState, criterion: number | string): number | Refusal {
  const number = typeof criterion === 'number' ? criterion : state.successCriteria.indexOf(criterion) + 1
  if (number >= 1 && number <= state.successCriteria.length) return number
  const count = state.successCriteria.length
  return {
    code: 'INVALID_INPUT',
    message: `Run ${state.runId} has no success criterion ${JSON.stringify(criterion).slice(0, 200)}: ${count === 0 ? 'it has none' : `it has ${count}; name one by its number or its exact text`}.`,
    details: { criterion },
  }
}
