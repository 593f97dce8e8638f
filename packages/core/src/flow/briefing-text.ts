import { clipped, quotedLine, visibleJson } from '../protocol/one-line.js'
import type { BriefedEvent, BriefedReceipt, BriefedStop, Briefing, Excerpt, Told } from './briefing.js'
import { count } from './next-action.js'
import type { Budget, Permission } from './permissions.js'

/** What a refused command would be told, at most. */
const whyMax = 400

/**
 * A briefing as plain text for a person or a language model. Every text that came from outside is a JSON string or value on
 * one line: nothing in it can pass for a line, or a word, of ours.
 */
export function briefingText(briefing: Briefing, token: string): string {
  const { runId, version, epoch, at, holder, status, mode, reason, round, checkpoint } = briefing
  return [
    `RUN ${runId} at version ${version}, epoch ${epoch}, newest commit ${at}`,
    holder === null ? 'Held by nobody.' : `Held by ${quotedLine(holder.id)} since ${holder.since}.`,
    `Status: ${status}${reason === null ? '' : ` (${quotedLine(reason)})`}. Mode: ${mode}. Rounds closed: ${round}.`,
    `Next action: ${briefing.nextAction}.`,
    checkpoint === null
      ? 'Next checkpoint: none set.'
      : `Next checkpoint: ${checkpoint.dueAt} ${quotedLine(checkpoint.note)}`,
    ...briefing.blockers.map((blocker) => `Blocker: ${quotedLine(blocker)}`),
    ...forkLines(briefing),
    `Goal: ${quotedLine(briefing.goal)}`,
    ...criteriaLines(briefing),
    ...section('Came back, not decided', briefing.received, receivedLine),
    ...section('Stopped, not decided', briefing.stopped, stoppedLine),
    ...section('Out', briefing.out, ({ taskId, kind, owner, attempt, since, dueAt }) => {
      return `${quotedLine(taskId)} (${kind}, attempt ${attempt}) with ${quotedLine(owner)} since ${since}, due ${dueAt}`
    }),
    ...section('Planned', briefing.planned, ({ taskId, kind, notBefore, waitingFor }) => {
      const waits = waitingFor === 0 ? '' : `, needs ${count(waitingFor, 'task')} not accepted yet`
      return `${quotedLine(taskId)} (${kind})${notBefore === null ? '' : `, not before ${notBefore}`}${waits}`
    }),
    settledLine(briefing),
    ...section('Accepted last', briefing.lastAccepted, eventLine),
    ...section('Decided, newest last', briefing.decisions, eventLine),
    ...section('Troubles, newest last', briefing.troubles, eventLine),
    ...section('Commands refused, newest last', briefing.refusals, eventLine),
    ...section('Notes, newest last', briefing.notes, eventLine),
    ...budgetLines(briefing),
    'Now:',
    ...briefing.may.map(permissionLine),
    ...(briefing.dropped.length === 0 ? [] : [`Left out to be short: ${briefing.dropped.join('; ')}.`]),
    `Context token: ${token}`,
    '',
  ].join('\n')
}

const forkLines = ({ forkedFrom: from }: Briefing): string[] =>
  from === null
    ? []
    : [
        `Forked from ${from.runId}@${from.version}: what is told of versions up to ${from.version} happened in that run.`,
      ]

const eventLine = ({ version, at, text }: BriefedEvent): string => `${version} ${at} ${quotedLine(text)}`

const permissionLine = ({ command, allowed, why }: Permission): string =>
  `- ${command}: ${allowed ? `yes, ${why}` : `REFUSED, ${quotedLine(clipped(why, whyMax))}`}`

function section<T>(title: string, { total, items }: Told<T>, line: (item: T) => string): string[] {
  if (total === 0) return []
  const shown = items.length < total ? ` (${total}, ${items.length} shown)` : ` (${total})`
  return [`${title}${shown}${items.length > 0 ? ':' : ''}`, ...items.map((item) => `- ${line(item)}`)]
}

function criteriaLines({ criteria }: Briefing): string[] {
  if (criteria.length === 0) return ['Success criteria: none.']
  const lines = criteria.map(({ number, text, evidence }) => {
    return `${number}. ${evidence === null ? 'OPEN' : 'met'} ${quotedLine(text)}${maybe('evidence', evidence)}`
  })
  return ['Success criteria:', ...lines]
}

const maybe = (name: string, text: string | null): string => (text === null ? '' : `, ${name} ${quotedLine(text)}`)

function receivedLine(item: BriefedReceipt): string {
  const { worker, status, returns, error, artifacts, spawnRequests } = item
  return [
    `${returned(item)} from ${worker}: ${status}`,
    maybe('error', error),
    account(item),
    maybe('to come back was', returns),
    list('artifacts', artifacts, ({ name, bytes }) => `${quotedLine(name)} ${bytes} bytes`),
    list('asks for', spawnRequests, ({ taskId, kind }) => `${quotedLine(taskId)} ${kind}`),
    excerpt('input', item.input),
    excerpt('output', item.output),
  ].join('')
}

const stoppedLine = (item: BriefedStop): string =>
  `${returned(item)}: ${quotedLine(item.reason)}${account(item)}${excerpt('input', item.input)}`

const returned = ({ taskId, kind, attempt, attemptsMax, owner }: BriefedReceipt | BriefedStop): string =>
  `${quotedLine(taskId)} (${kind}, attempt ${attempt} of ${attemptsMax}, ${quotedLine(owner)})`

const account = ({ stoppedAt, resumeInstructions }: BriefedReceipt | BriefedStop): string =>
  `${maybe('stopped at', stoppedAt)}${maybe('to go on', resumeInstructions)}`

function list<T>(name: string, { total, items }: Told<T>, show: (item: T) => string): string {
  if (total === 0) return ''
  const more = items.length < total ? [`${total - items.length} more`] : []
  return `, ${name} ${total} (${[...items.map(show), ...more].join(', ')})`
}

/** JSON as it is; what was cut off is none any more, and quoted. */
function excerpt(name: string, { json, length }: Excerpt): string {
  if (json.length === length) return `, ${name} ${visibleJson(json)}`
  const shown = json.length === 0 ? '' : ` begins ${quotedLine(json)}`
  return `, ${name} of ${length} characters${shown}`
}

const settledLine = ({ settled: { accepted, cancelled, abandoned }, receiptsRefused }: Briefing): string =>
  `Settled: ${accepted} accepted, ${cancelled} cancelled, ${abandoned} abandoned. Receipts refused at a gate: ${receiptsRefused}.`

function budgetLines({ budgets }: Briefing): string[] {
  if (budgets === null) return []
  const { tasks, inFlight, tokens, costUsd, dispatchUntil } = budgets
  const of = ({ used, max }: Budget): string => (max === null ? `${used} (no limit)` : `${used} of ${max}`)
  const until = dispatchUntil === null ? '' : `, nothing is dispatched after ${dispatchUntil}`
  return [`Used: ${of(tasks)} tasks, ${of(inFlight)} slots, ${of(tokens)} tokens, ${of(costUsd)} USD${until}.`]
}
