import { oneLine } from '../protocol/one-line.js'
import type { BriefedEvent, Briefing, Told } from './briefing.js'
import type { Budget } from './permissions.js'

/** A text from the log as one quoted line: it can neither end the line nor look like one of ours. */
const quoted = (text: string): string => JSON.stringify(oneLine(text, Number.POSITIVE_INFINITY))
const id = (text: string): string => oneLine(text, 200)

/** A briefing as plain text for a person or a language model. Every text that came from outside is quoted, on one line. */
export function briefingText(briefing: Briefing, token: string): string {
  const { runId, version, epoch, at, status, mode, reason, round, checkpoint } = briefing
  return [
    `RUN ${runId} at version ${version}, epoch ${epoch}, newest commit ${at}`,
    `Status: ${status}${reason === null ? '' : ` (${quoted(reason)})`}. Mode: ${mode}. Rounds closed: ${round}.`,
    `Next action: ${briefing.nextAction}.`,
    checkpoint === null
      ? 'Next checkpoint: none set.'
      : `Next checkpoint: ${checkpoint.dueAt} ${quoted(checkpoint.note)}`,
    ...briefing.blockers.map((blocker) => `Blocker: ${quoted(blocker)}`),
    `Goal: ${quoted(briefing.goal)}`,
    ...criteriaLines(briefing),
    ...receivedLines(briefing),
    ...stoppedLines(briefing),
    ...section('Out', briefing.out, ({ taskId, kind, owner, attempt, since, dueAt }) => {
      return `${id(taskId)} (${kind}, attempt ${attempt}) with ${quoted(owner)} since ${since}, due ${dueAt}`
    }),
    ...section('Planned', briefing.planned, ({ taskId, kind, notBefore }) => {
      return `${id(taskId)} (${kind})${notBefore === null ? '' : ` not before ${notBefore}`}`
    }),
    settledLine(briefing),
    ...section('Settled last', briefing.lastSettled, eventLine),
    ...section('Decided, newest last', briefing.decisions, eventLine),
    ...section('Troubles, newest last', briefing.troubles, eventLine),
    ...section('Notes, newest last', briefing.notes, eventLine),
    ...budgetLines(briefing),
    'Now:',
    ...briefing.may.map(
      ({ command, allowed, why }) => `- ${command}: ${allowed ? 'yes' : 'REFUSED'}, ${oneLine(why, 400)}`,
    ),
    ...(briefing.dropped.length === 0 ? [] : [`Left out to be short: ${briefing.dropped.join('; ')}.`]),
    `Context token: ${token}`,
    '',
  ].join('\n')
}

const eventLine = ({ version, at, text }: BriefedEvent): string => `${version} ${at} ${quoted(text)}`

function section<T>(title: string, { total, items }: Told<T>, line: (item: T) => string): string[] {
  if (total === 0) return []
  const shown = items.length < total ? ` (${total}, ${items.length} shown)` : ` (${total})`
  return [`${title}${shown}${items.length > 0 ? ':' : ''}`, ...items.map((item) => `- ${line(item)}`)]
}

function criteriaLines({ criteria }: Briefing): string[] {
  if (criteria.length === 0) return ['Success criteria: none.']
  const lines = criteria.map(({ number, text, evidence }) => {
    return `${number}. ${evidence === null ? 'OPEN' : 'met'} ${quoted(text)}${evidence === null ? '' : `, evidence ${quoted(evidence)}`}`
  })
  return ['Success criteria:', ...lines]
}

const receivedLines = ({ received }: Briefing): string[] =>
  section('Came back, not decided', received, (item) => {
    const { taskId, kind, owner, attempt, attemptsMax, worker, status, output, artifacts, spawnRequests } = item
    const extras = [
      artifacts > 0 ? `, ${artifacts} artifacts` : '',
      spawnRequests > 0 ? `, asks for ${spawnRequests} more tasks` : '',
    ]
    return `${id(taskId)} (${kind}, attempt ${attempt} of ${attemptsMax}, ${quoted(owner)}) from ${worker}: ${status}${extras.join('')}, output ${quoted(output)}`
  })

const stoppedLines = ({ stopped }: Briefing): string[] =>
  section('Stopped, not decided', stopped, (item) => {
    const { taskId, kind, owner, attempt, attemptsMax, reason, stoppedAt, resumeInstructions } = item
    const account = [
      stoppedAt === null ? '' : `, stopped at ${quoted(stoppedAt)}`,
      resumeInstructions === null ? '' : `, to go on: ${quoted(resumeInstructions)}`,
    ]
    return `${id(taskId)} (${kind}, attempt ${attempt} of ${attemptsMax}, ${quoted(owner)}): ${quoted(reason)}${account.join('')}`
  })

const settledLine = ({ settled: { accepted, cancelled, abandoned } }: Briefing): string =>
  `Settled: ${accepted} accepted, ${cancelled} cancelled, ${abandoned} abandoned.`

function budgetLines({ budgets }: Briefing): string[] {
  if (budgets === null) return []
  const { tasks, inFlight, tokens, costUsd, dispatchUntil } = budgets
  const of = ({ used, max }: Budget): string => (max === null ? `${used} (no limit)` : `${used} of ${max}`)
  const until = dispatchUntil === null ? '' : `, nothing is dispatched after ${dispatchUntil}`
  return [`Used: ${of(tasks)} tasks, ${of(inFlight)} slots, ${of(tokens)} tokens, ${of(costUsd)} USD${until}.`]
}
