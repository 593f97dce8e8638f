import { oneLine } from '../protocol/one-line.js'
import { sha256 } from '../protocol/sha256.js'
import type { OpenTask, Remembered, RunState } from '../protocol/state.js'
import { describeEvent } from './describe-event.js'
import { blockersOf, count, nextAction } from './next-action.js'
import { ownerOf } from './run-view.js'

const ownersShown = 50
const stoppedShown = 50
const textMax = 500

/** Which commit a state file was made from. */
export interface StateFileOrigin {
  readonly runId: string
  readonly version: number
  /** Hash of that commit. */
  readonly commit: string
}

const opening = '---\nreprise: state-v1\n'
const front =
  /^---\nreprise: state-v1\nrun: "([^"\n]{1,128})"\nversion: (\d{1,15})\ncommit: ([0-9a-f]{64})\nbody: ([0-9a-f]{64})\n---\n/

/** The whole file: front matter that says what it was made from, and the body. */
export const stateFileText = ({ runId, version, commit }: StateFileOrigin, body: string): string =>
  `${opening}run: "${runId}"\nversion: ${version}\ncommit: ${commit}\nbody: ${sha256(body)}\n---\n${body}`

/** What a file says of itself, and whether its body is as it was written. `null`: not a state file of ours. */
export function readStateFile(text: string): (StateFileOrigin & { readonly intact: boolean }) | null {
  const match = front.exec(text)
  if (match === null) return null
  const [head, runId, version, commit, body] = match as unknown as [string, string, string, string, string]
  return { runId, version: Number(version), commit, intact: sha256(text.slice(head.length)) === body }
}

/**
 * The run as a person reads it, in Markdown, from the log alone. Every text that came from outside stands on one line with its
 * marks escaped: none can look like a heading, an item or a link of ours.
 */
export function stateFileBody(state: RunState): string {
  return [
    `# State of run ${code(state.runId ?? '')}`,
    '',
    `Written from the log at version ${state.version}, ${state.at}. Do not edit: an edit is kept aside, and this file is written again.`,
    ...section('Goal', [prose(state.goal)]),
    ...section('Success criteria', criteriaLines(state)),
    ...section('Status', statusLines(state)),
    ...section('Current step', [currentStep(state)]),
    ...section('Completed', completedLines(state)),
    ...section('Active owners', ownerLines(state)),
    ...section('Blockers', [...blockersOf(state).map((blocker) => `- ${prose(blocker)}`), ...stoppedLines(state)]),
    ...section('Next action', [prose(nextAction(state))]),
    ...section(
      'Next checkpoint',
      state.checkpoint === null ? [] : [`${state.checkpoint.dueAt}: ${prose(state.checkpoint.note)}`],
    ),
    ...section(
      'Notes',
      state.recent.notes.map(({ at, event }) => `- ${at} ${event.type === 'note-added' ? prose(event.data.text) : ''}`),
    ),
    '',
  ].join('\n')
}

const section = (title: string, lines: readonly string[]): string[] => [
  '',
  `## ${title}`,
  '',
  ...(lines.length > 0 ? lines : ['None.']),
]

/**
 * Escapes on one line what Markdown would take for a mark or an address, and what generators of pages would for a template:
 * a folder of documents may be one's input.
 */
function prose(text: string): string {
  const line = oneLine(text, textMax).trim()
  if (line === '') return '(empty)'
  return line
    .replace(/[\\`*[\]<>&~|${}@]|(?<=\{)%|:(?=\/\/)|(?<=www)\./gi, (mark) => `\\${mark}`)
    .replace(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, '\\_')
    .replace(/^([#+\-=])/, '\\$1')
    .replace(/^(\d+)([.)])/, '$1\\$2')
}

/** An id as code, unless it would need escapes. */
function code(text: string): string {
  return /^[\w.:@/-]{1,256}$/.test(text) ? `\`${text}\`` : prose(text)
}

const criteriaLines = (state: RunState): string[] =>
  state.successCriteria.map((text, i) => {
    const met = state.criteria[i] ?? null
    const evidence = met === null ? '' : `: ${prose(met.evidence)} (version ${met.version})`
    return `- [${met === null ? ' ' : 'x'}] ${i + 1}\\. ${prose(text)}${evidence}`
  })

function statusLines(state: RunState): string[] {
  const { status, mode, round, counts, spent } = state
  const reason = state.closing ?? state.blockedReason ?? state.pausedReason
  return [
    `${status}${reason === null ? '' : `: ${prose(reason)}`}`,
    '',
    `- mode ${mode}, ${count(round, 'round')} closed, epoch ${state.epoch}`,
    `- tasks: ${counts.tasks} in all, ${counts.planned} planned, ${counts.out} out, ${counts.received} received, ${counts.stopped} stopped`,
    `- spent: ${spent.tokens} tokens, ${spent.costUsd} USD in ${count(counts.attempts, 'attempt')}`,
  ]
}

function currentStep({ mode, counts, received, status }: RunState): string {
  switch (mode) {
    case 'recovering':
      return 'A coordinator is taking the run up again.'
    case 'dispatching':
      return counts.tasks === 0 ? 'Nothing has been dispatched yet.' : 'Nothing is out: deciding what comes next.'
    case 'awaiting':
      return `Waiting: ${count(counts.out, 'attempt')} out, ${counts.planned} planned.`
    case 'evaluating':
      return `Evaluating ${count(received.size, 'receipt')}; ${counts.out} still out.`
    case 'closed':
      return `The run has ended: ${status}.`
  }
}

function completedLines({ counts, recent }: RunState): string[] {
  if (counts.accepted + counts.cancelled + counts.abandoned === 0) return []
  const last = [...recent.settled].reverse().map(settledLine)
  return [
    `${counts.accepted} accepted, ${counts.cancelled} cancelled, ${counts.abandoned} abandoned. The newest:`,
    '',
    ...last,
  ]
}

const settledLine = ({ version, at, event }: Remembered): string =>
  `- ${at} (version ${version}) ${prose(describeEvent(event))}`

/** What stopped, why, and by the worker's own account where and how to go on. */
function stoppedLines({ stopped, tasks }: RunState): string[] {
  const lines: string[] = []
  for (const id of stopped) {
    if (lines.length === stoppedShown) return [...lines, `- and ${stopped.size - stoppedShown} more tasks that stopped`]
    const { spec, attempt, stopReason, receipt } = tasks.get(id) as OpenTask
    const { stoppedAt, resumeInstructions } = receipt?.error ?? {}
    const where = stoppedAt === undefined ? '' : `; stopped at: ${prose(stoppedAt)}`
    const how = resumeInstructions === undefined ? '' : `; to go on: ${prose(resumeInstructions)}`
    lines.push(`- ${code(spec.taskId)} after attempt ${attempt}: ${prose(stopReason ?? '')}${where}${how}`)
  }
  return lines
}

function ownerLines(state: RunState): string[] {
  if (state.mode === 'closed') return []
  const lines =
    state.lock === null
      ? ['- coordinator: nobody holds the run']
      : [`- coordinator: ${code(state.lock.holder.id)} since ${state.lock.at}`]
  const out: OpenTask[] = []
  const shown = Math.min(ownersShown, state.counts.out)
  for (const task of state.tasks.values()) {
    if (out.length === shown) break
    if (task.phase === 'out') out.push(task)
  }
  for (const { spec, attempt, dispatchedAt, deadlineAt } of out) {
    const returns = spec.returns === undefined ? 'a receipt that passes every gate' : prose(spec.returns)
    lines.push(
      `- ${prose(ownerOf(spec))}: ${code(spec.taskId)} (${code(spec.kind)}), attempt ${attempt}, since ${dispatchedAt}, due ${deadlineAt}; returns ${returns}`,
    )
  }
  if (state.counts.out > out.length) lines.push(`- and ${state.counts.out - out.length} more attempts`)
  return lines
}
