import { type RunWhy, runWhySchema, type TaskWhy, taskWhySchema, whyRun, whyTask } from '@reprise/core/replay'
import { z } from 'zod'
import { defineCommand } from '../command.js'
import { ofKnownRun } from '../known-run.js'
import { chainText, eventsText } from '../output/reasons.js'
import type { Style } from '../output/style.js'
import { wrapped } from '../output/wrap.js'
import { runIdOf, taskIdOf } from '../read-values.js'

const schema = z.union([runWhySchema, taskWhySchema])

const details = `
Without TASK: what the run waits for, what somebody must act on first; with TASK: why that task is where it is, why it was
given up or kept out, or that nothing ever asked for it. Each reason names the events that show it, and follows from the
one below it. Reads the whole log, then asks who holds the run, where attempts are (32 of those that are out) and what lies
in the inbox, for at most 15 s, with TASK 30 s; what it cannot learn it says. Changes nothing.

What to do is printed as a command line, for a POSIX shell. What is in capitals is to be filled in; where --at was given, give
it to that line too.

Exit codes: 1 if somebody must act before the run, or the task, can go on; 0 if it goes on by itself or is over; 3 if the
run has no such task.
`

export const why = defineCommand({
  args: {
    RUN: { says: 'the id of the run', what: 'run' },
    TASK: { says: 'the id of a task', what: 'task', optional: true },
  },
  options: {},
  details,
  examples: [
    { line: 'why digest-src', says: 'what the run is waiting for, and what to do first' },
    { line: 'why digest-src src/main.c', says: 'why that task is not done' },
  ],
  output: 'document',
  schema,
  run: async (context, { args }): Promise<RunWhy | TaskWhy> => {
    const runId = runIdOf(args.RUN)
    const taskId = args.TASK === undefined ? undefined : taskIdOf(args.TASK)
    const asked = { adapter: await context.open(), runId, signal: context.signal }
    const look = (): Promise<RunWhy | TaskWhy> => (taskId === undefined ? whyRun(asked) : whyTask({ ...asked, taskId }))
    const found = await ofKnownRun(context, runId, look)
    if (found.verdict === 'act') context.exitWith('problem')
    if (found.verdict === 'not-there') context.exitWith('notFound')
    return found
  },
  human: (found, style) => (found.format === 'reprise-why-run-v1' ? runText(found, style) : taskText(found, style)),
})

const verdicts = {
  act: 'somebody must act',
  wait: 'it goes on by itself',
  closed: 'it is over',
  settled: 'it is settled',
  'not-there': 'the run does not have it',
} as const

/** Chains of one group: of what needs somebody by itself, and of what only follows from that, or goes on. */
const actsShown = 3
const waitsShown = 2

function runText(found: RunWhy, style: Style): string {
  const lead = `${style.ink('bold', style.text(found.runId))} is ${style.status(found.status)} `
  const head = wrapped(style, `at version ${found.version}: ${verdicts[found.verdict]}`, lead, 4)
  const told = new Set<string>()
  const groups = found.groups.flatMap(({ code, total, chains }) => {
    const shown = chains.slice(0, chains[0]?.[0]?.needs === 'act' ? actsShown : waitsShown)
    const more = total - shown.length
    const rest = more > 0 ? [wrapped(style, `… and ${more} more: ${code}`, '  ')] : []
    return [...shown.map((chain) => chainText(chain, style, told)), ...rest]
  })
  return [head, ...groups, ...unlearntText(found.unlearnt, style)].join('\n')
}

function taskText(found: TaskWhy, style: Style): string {
  const name = style.ink('bold', style.text(found.taskId))
  const place = found.place === 'not-there' ? verdicts['not-there'] : `${found.place}, ${verdicts[found.verdict]}`
  const head = wrapped(style, `of run ${style.text(found.runId)}, at version ${found.version}: ${place}`, `${name} `, 4)
  const { total, told } = found.moments
  const events = told.map(({ version, at, text }) =>
    wrapped(style, `${at} ${style.text(text)}`, `${eventsText([version], style)} `.padStart(8)),
  )
  const left = total - told.length
  const history =
    events.length === 0 ? [] : [`What has happened${left > 0 ? ` (${left} events are left out)` : ''}:`, ...events]
  const link = linkText(found, style)
  return [head, chainText(found.chain, style), ...link, ...history, ...unlearntText(found.unlearnt, style)].join('\n')
}

/** The reasons say what to do about a link that is missing, but not about one behind the end of a task. */
function linkText({ acknowledgement, verdict }: TaskWhy, style: Style): string[] {
  const gap = acknowledgement?.firstMissing
  if (gap == null) return []
  const name = `  first link that is ${gap.state}: ${gap.link}`
  const says = gap.state === 'unknown' || verdict === 'settled'
  return [says ? wrapped(style, style.text(gap.text), `${name}: `, 4) : name]
}

const unlearntText = (whys: readonly string[], style: Style): string[] =>
  whys.map((why) => wrapped(style, style.text(why), '? '))
