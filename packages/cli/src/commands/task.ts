import { type TaskDetails, taskDetails, taskDetailsSchema } from '@reprise/core/replay'
import { z } from 'zod'
import { defineCommand } from '../command.js'
import { ofKnownRun } from '../known-run.js'
import { chainText, eventsText } from '../output/reasons.js'
import type { Style } from '../output/style.js'
import { duration } from '../output/times.js'
import { wrapped, wrappedPairs } from '../output/wrap.js'
import { runIdOf, taskIdOf } from '../read-values.js'

const details = `
What was asked for, each attempt with its times, where the newest is now and the first link of its way that is missing, its
receipt with output and artifacts, and why it is where it is. Input and output are cut off after 400 characters without
--full; --json has them whole. Reads the whole log, and asks queue and inbox as \`reprise why\` does. Changes nothing.
`

const schema = taskDetailsSchema.extend({
  full: z.boolean().describe('--full was given: text for people is whole too'),
})
type Shown = TaskDetails & { readonly full: boolean }

export const task = defineCommand({
  args: {
    RUN: { says: 'the id of the run', what: 'run' },
    TASK: { says: 'the id of the task', what: 'task' },
  },
  options: { full: { says: 'print input and output whole' } },
  details,
  examples: [{ line: 'task digest-src src/main.c', says: 'everything about one task' }],
  output: 'document',
  schema,
  run: async (context, { args, options }): Promise<Shown> => {
    const [runId, taskId] = [runIdOf(args.RUN), taskIdOf(args.TASK)]
    const asked = { adapter: await context.open(), runId, taskId, signal: context.signal }
    return { ...(await ofKnownRun(context, runId, () => taskDetails(asked))), full: options.full }
  },
  human: (found, style) =>
    [
      wrappedPairs(style, specPairs(found, style)),
      ...section('Why it is there:', [chainText(found.chain, style)]),
      ...section(
        'Attempts:',
        found.attempts.map((attempt) => attemptText(attempt, style)),
      ),
      ...linksText(found, style),
      ...receiptText(found, style),
      ...found.unlearnt.map((why) => wrapped(style, style.text(why), '? ')),
    ].join('\n'),
})

const section = (title: string, lines: readonly string[]): string[] => (lines.length === 0 ? [] : ['', title, ...lines])

type Pair = readonly [string, string]
const optional = (name: string, value: string | null): Pair[] => (value === null ? [] : [[name, value]])

function specPairs({ spec, taskId, runId, version, place, full }: Shown, style: Style): Pair[] {
  const after = spec.after.map((one) => `${style.text(one.taskId)} (${one.place})`).join(', ')
  return [
    ['task', style.ink('bold', style.text(taskId))],
    ['run', `${style.text(runId)} at version ${version}`],
    ['place', style.ink('bold', place)],
    ['kind', `${style.text(spec.kind)}, lane ${style.text(spec.lane)}, priority ${spec.priority}, depth ${spec.depth}`],
    ...optional('after', after === '' ? null : after),
    ...optional('not before', spec.notBefore),
    ...optional('owner', spec.owner && style.text(spec.owner)),
    ...optional('returns', spec.returns && style.text(spec.returns)),
    ...optional('parent', spec.parent && style.text(spec.parent)),
    ...optional('trace', spec.traceId && style.text(spec.traceId)),
    ['attempts', `at most ${spec.attemptsMax}${spec.timeoutMs === null ? '' : `, ${duration(spec.timeoutMs)} each`}`],
    ['input', json(spec.input, full, style)],
  ]
}

function attemptText(one: TaskDetails['attempts'][number], style: Style): string {
  const { planned, dispatched, receipt, ended, refused } = one
  const parts = [
    planned && `planned ${planned.at} ${eventsText([planned.version], style)}`,
    dispatched && `out ${dispatched.at} due ${dispatched.deadlineAt} ${eventsText([dispatched.version], style)}`,
    refused &&
      `receipt refused at gate ${refused.gate}: ${style.text(refused.evidence)} ${eventsText([refused.version], style)}`,
    receipt &&
      `receipt ${receipt.at}: ${receipt.status} from ${style.text(receipt.worker)} ${eventsText([receipt.version], style)}`,
    ended &&
      `${style.ink('red', ended.how)} ${ended.at}: ${style.text(ended.reason)} ${eventsText([ended.version], style)}`,
  ]
  return wrapped(style, parts.filter((part) => part !== null).join('; '), `  ${one.attempt}. `)
}

const marks = { done: ['green', '✓'], missing: ['red', '✗'], unknown: ['yellow', '?'] } as const

function linksText({ acknowledgement }: Shown, style: Style): string[] {
  if (acknowledgement === null) return []
  const lines = acknowledgement.links.map(({ link, state, evidence, version }) => {
    const [ink, mark] = marks[state]
    const events = version === null ? '' : ` ${eventsText([version], style)}`
    return wrapped(style, `${style.text(evidence)}${events}`, `  ${style.ink(ink, mark)} ${link.padEnd(12)}  `)
  })
  const gap = acknowledgement.firstMissing
  const next = gap === null ? [] : [wrapped(style, style.text(gap.text), `  → ${gap.link}: `, 4)]
  return section(`The way of attempt ${acknowledgement.attempt}:`, [...lines, ...next])
}

function receiptText({ receipt, full }: Shown, style: Style): string[] {
  if (receipt === null) return []
  const { worker, usage, error } = receipt
  const used = [
    `${duration(usage.durationMs)}`,
    ...(usage.tokens === null ? [] : [`${usage.tokens} tokens`]),
    ...(usage.costUsd === null ? [] : [`${usage.costUsd} US dollars`]),
  ]
  const pairs: Pair[] = [
    ['status', receipt.status],
    ['worker', `${style.text(worker.id)} (process ${worker.pid} on ${style.text(worker.host)})`],
    ['worked', `${receipt.startedAt} to ${receipt.finishedAt}, by its own account ${used.join(', ')}`],
    ...optional('signed by', receipt.signedBy && style.text(receipt.signedBy)),
    ...(error === null ? [] : errorPairs(error, style)),
    ['output', json(receipt.output, full, style)],
    ...receipt.artifacts.map(
      (one) =>
        [
          'artifact',
          `${style.text(one.name)} (${one.bytes} bytes, sha256 ${one.sha256}) at ${style.text(one.path)}`,
        ] as const,
    ),
    ...receipt.spawnRequests.map((one) => ['asks for', `${style.text(one.taskId)} (${style.text(one.kind)})`] as const),
  ]
  return section(`Receipt of attempt ${receipt.attempt}:`, [wrappedPairs(style, pairs)])
}

const errorPairs = (error: NonNullable<NonNullable<TaskDetails['receipt']>['error']>, style: Style): Pair[] => [
  ['error', `${error.code === null ? '' : `${style.text(error.code)}: `}${style.text(error.message)}`],
  ...optional('stopped at', error.stoppedAt && style.text(error.stoppedAt)),
  ...optional('to go on', error.resumeInstructions && style.text(error.resumeInstructions)),
]

const cutAt = 400

function json(value: unknown, full: boolean, style: Style): string {
  const text = JSON.stringify(value)
  if (full || text.length <= cutAt) return style.text(text)
  return `${style.text(text.slice(0, cutAt))}… (${text.length} characters; --full prints them)`
}
