import type { CommandInput } from '@reprise/core'
import { z } from 'zod'
import { acting, actingDetails, actingOptions, refused } from '../act.js'
import { actedOf, actedShape } from '../acted-document.js'
import { defineCommand } from '../command.js'
import { usage } from '../command-failure.js'
import { linesWhile } from '../lines-while.js'
import { tokenLines } from '../output/acted-text.js'
import { naming, taskBatches, taskOptions } from '../task-requests.js'

const { events: _events, eventsTotal: _total, ...shape } = actedShape
const schema = z.object({
  ...shape,
  dispatched: z.array(z.string()).describe('ids of tasks that went out'),
  planned: z.array(z.string()).describe('wait for a slot, a time or another task, and go out by themselves'),
  known: z.array(z.string()).describe('in the log before; nothing was done'),
  refused: z
    .array(z.object({ taskId: z.string(), rule: z.string(), limit: z.number(), value: z.number() }))
    .describe('kept out by a limit of the run, on record'),
})

const options = { ...taskOptions, ...actingOptions } as const

export const dispatch = defineCommand({
  args: {
    RUN: { says: 'the id of the run', what: 'run' },
    TASK: { says: 'an id for the task, chosen by you', optional: true },
  },
  options,
  details: `Hands a task to the workers. A task id stands for one piece of work: the same once more changes nothing, so this may be
repeated after any failure. What has no slot, must wait for a time or for another task is planned and goes out when a
coordinator holds the run, this command included.

With --from, each line is one task: {"taskId": "file-1", "kind": "digest", "input": {"path": "a.txt"}}, with the other fields of
a TaskRequest (lane, priority, after, notBefore, timeoutMs, attemptsMax, owner, returns, parent, traceId). They are read
and taken in batch by batch, in memory of one; every batch makes one line of output. What is wrong with one task refuses
its batch, and the batches before it stand. Tasks that a limit of the run keeps out are named, and the exit code is 4.

${actingDetails}`,
  examples: [
    { line: `dispatch digest-src file-1 --kind digest --input '{"path":"a.txt"}'`, says: 'one task' },
    { line: 'dispatch digest-src --from tasks.jsonl --json', says: 'many, read from a file' },
  ],
  output: 'lines',
  schema,
  async *run(context, { args, options: given }) {
    const batches = taskBatches(context, args.TASK, given)
    if (given.from !== undefined && given['no-wait'] && (given.token ?? context.env.REPRISE_TOKEN)) {
      throw usage(
        'A token is of use to one command only that is not waited for: --from, --no-wait and a token exclude each other.',
      )
    }
    yield* linesWhile<z.output<typeof schema>>((tell) =>
      acting(context, args.RUN, given, async (begun) => {
        for await (const { tasks, lineOf, source } of batches) {
          const command: CommandInput = { type: 'dispatch', tasks: [...tasks] }
          const answer = await begun.act(command).catch((error: unknown) => {
            throw naming(error, lineOf, source)
          })
          if (!answer.ok) throw await refused(context, begun.runId, 'dispatch', answer)
          const { dispatched, planned, known, refused: kept } = answer.report
          if (kept.length > 0) context.exitWith('refused')
          const { events: _e, eventsTotal: _t, ...acted } = actedOf(begun, [answer])
          const report = { dispatched: [...dispatched], planned: [...planned], known: [...known] }
          await tell({ ...acted, ...report, refused: kept.map((each) => ({ ...each })) })
        }
      }),
    )
  },
  human: (value, style) => {
    const { dispatched, planned, known, refused: kept } = value
    const parts = [
      [dispatched, 'dispatched'],
      [planned, 'planned'],
      [known, 'in the log before'],
    ] as const
    const said = parts.filter(([ids]) => ids.length > 0).map(([ids, what]) => `${namesOf(ids, style)} ${what}`)
    const lines = kept.map(({ taskId, rule, limit, value: at }) =>
      style.ink('red', `refused ${style.text(taskId)}: ${style.text(rule)} is ${limit}, the run stands at ${at}`),
    )
    const where = value.version === null ? 'sent' : `${style.text(value.runId)} is at version ${value.version}`
    return [...said, ...lines, style.ink('dim', where), ...tokenLines(value, style)].join('\n')
  },
})

const namesOf = (ids: readonly string[], style: { text(value: unknown): string }): string =>
  ids.length <= 3 ? ids.map((id) => style.text(id)).join(', ') : `${ids.length} tasks`
