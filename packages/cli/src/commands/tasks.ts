import { listTasks, type TaskRow, taskPlaces, taskRowSchema } from '@reprise/core/replay'
import { defineCommand } from '../command.js'
import { ofKnownRun } from '../known-run.js'
import type { Ink } from '../output/markup.js'
import type { Style } from '../output/style.js'
import { wrapped } from '../output/wrap.js'
import { runIdOf, wholeNumber } from '../read-values.js'

const openPlaces = ['planned', 'out', 'received', 'stopped'] as const

const details = `
Lists tasks as they are read: settled ones in the order of their settlement, then open ones in the order in which they came
in. Several of --open, --planned … --abandoned: any of them. What the state of the run does not keep of a settled task
(kind, lane, attempts, why) needs the whole log: --long, --failed, and --kind or --lane of settled tasks read it. In memory:
the state of the run, not the list. Changes nothing of the run; of a long log, states may be kept
beside it, as by \`reprise show\`.
`

export const tasks = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run' } },
  options: {
    open: { says: 'those that are not settled' },
    planned: { says: 'those that wait for a slot, a time or another task' },
    out: { says: 'those that are handed out' },
    received: { says: 'those whose receipt waits for a decision' },
    stopped: { says: 'those of which no attempt follows by itself' },
    settled: { says: 'those that are accepted, cancelled or abandoned' },
    accepted: { says: 'those whose receipt was accepted' },
    cancelled: { says: 'those that were cancelled' },
    abandoned: { says: 'those that were abandoned' },
    failed: { says: 'those with an attempt that failed, expired or was rejected, and that are not accepted' },
    kind: { says: 'only of this kind', value: 'KIND' },
    lane: { says: 'only of this lane', value: 'LANE' },
    limit: { says: 'at most so many', value: 'N' },
    long: { says: 'all that the log says of each', short: 'l' },
  },
  details,
  examples: [
    { line: 'tasks digest-src --open', says: 'what is not settled' },
    { line: 'tasks digest-src --failed --json', says: 'what went wrong, a JSON document per line' },
  ],
  output: 'lines',
  schema: taskRowSchema,
  run: async function* (context, { args, options }): AsyncGenerator<TaskRow> {
    const runId = runIdOf(args.RUN)
    const limit = options.limit === undefined ? Number.POSITIVE_INFINITY : wholeNumber(options.limit, '--limit', 1)
    const places = taskPlaces.filter((place) => options[place] || (isOpen(place) ? options.open : options.settled))
    const { failed, long, kind, lane } = options
    const adapter = await context.open()
    const list = listTasks({
      ...{ adapter, runId, failed, long },
      ...(places.length > 0 && { places }),
      ...(kind !== undefined && { kind }),
      ...(lane !== undefined && { lane }),
    })
    let told = 0
    try {
      for (;;) {
        const { done, value: row } = await ofKnownRun(context, runId, () => list.next())
        if (done || context.signal.aborted) break
        if (told === limit) {
          await context.out.note(`There are more than ${limit}.`)
          break
        }
        yield row
        told++
      }
    } finally {
      await list.return()
    }
    if (told === 0 && !context.json && !context.signal.aborted)
      await context.out.note(`There is no such task in run ${runId}.`)
  },
  human: rowText,
})

const isOpen = (place: TaskRow['place']): boolean => (openPlaces as readonly string[]).includes(place)

const inks: Readonly<Record<TaskRow['place'], Ink>> = {
  ...{ planned: 'dim', out: 'cyan', received: 'yellow', stopped: 'red' },
  ...{ accepted: 'green', cancelled: 'dim', abandoned: 'magenta' },
}

function rowText(row: TaskRow, style: Style): string {
  const { taskId, place, kind, lane, attempt, attemptsMax, failures, waitingFor, notBefore, dueAt, since, worker } = row
  const of = attempt === null ? '' : `attempt ${attempt}${attemptsMax === null ? '' : ` of ${attemptsMax}`}`
  const facts = [
    of,
    failures === null || failures === 0 ? '' : `${failures} failed`,
    waitingFor === null || waitingFor === 0 ? '' : `waits for ${waitingFor} ${waitingFor === 1 ? 'task' : 'tasks'}`,
    notBefore === null ? '' : `not before ${notBefore}`,
    dueAt === null ? '' : `due ${dueAt}`,
    since === null || dueAt !== null ? '' : `at ${since}`,
    worker === null ? '' : `by ${style.text(worker)}`,
    row.reason === null ? '' : style.text(row.reason),
  ].filter((fact) => fact !== '')
  const what = kind === null ? '' : ` ${style.ink('dim', style.text(lane === 'default' ? kind : `${kind}@${lane}`))}`
  const head = `${style.ink(inks[place], place.padEnd(9))}  ${style.text(taskId)}${what}`
  return wrapped(style, facts.join(', '), facts.length === 0 ? head : `${head}  `, 11)
}
