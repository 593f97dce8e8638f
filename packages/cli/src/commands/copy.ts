import { copyRun } from '@reprise/core/replay'
import { z } from 'zod'
import { withoutSecrets } from '../address.js'
import { defineCommand } from '../command.js'
import { usage } from '../command-failure.js'
import { logSummaryShape, summaryPairs } from '../log-summary.js'
import { runIdOf, unknownRun } from '../read-values.js'

const schema = z.object({
  ...logSummaryShape,
  to: z.string().describe('the other place, without secrets'),
  appended: z.number().describe('commits that this call has written; the others were there, and the same'),
  artifacts: z
    .object({ artifacts: z.number(), bytes: z.number(), found: z.number().describe('were there already') })
    .nullable()
    .describe('null without --artifacts'),
})

export const copy = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run' } },
  options: {
    to: { says: 'where to: a folder, redis://… or nats://…; made if it is not there', value: 'ADDRESS', what: 'url' },
    open: { says: 'copy a run that has not ended and that nobody holds' },
    artifacts: { says: 'copy what its accepted and received receipts name, too' },
  },
  details: `
Copies the log byte by byte, checks every commit on its way, and verifies the whole copy where it has arrived. The
original stays as it is. Killed in the middle, the same call goes on. If there is another log of that name at the other
place, nothing is written, and the message says from which commit on they differ.

A run that has not ended is refused: opened here and there, it would be two runs of one name, each going on by itself.
With --open it is copied if no live coordinator holds it; open only one of the two from then on. Snapshots, inboxes and
queues are not copied: whoever opens the copy makes them anew.`,
  examples: [
    { line: 'copy digest-src --to redis://localhost:6379', says: 'from the nearest .reprise to a Redis' },
    {
      line: 'copy digest-src --at nats://host:4222 --to ./here --artifacts',
      says: 'log and artifacts, for a closer look',
    },
  ],
  output: 'document',
  schema,
  run: async (context, { args, options }) => {
    const runId = runIdOf(args.RUN)
    if (options.to === undefined) throw usage('Say where to copy the run: --to ADDRESS.')
    const from = await context.open()
    if ((await from.log.head(runId)) === null) throw unknownRun(runId, context.place)
    const to = await context.openAt(options.to, { to: 'create' })
    const { open, artifacts } = options
    const report = await copyRun(from, to, runId, { open, artifacts, signal: context.signal })
    return { ...report, to: withoutSecrets(options.to) }
  },
  human: (value, style) =>
    style.pairs([
      ...summaryPairs(value, style),
      ['copied to', style.text(value.to)],
      ['written', `${value.appended} commits; ${value.commits - value.appended} were there. Verified.`],
      ...(value.artifacts === null
        ? []
        : ([
            [
              'artifacts',
              `${value.artifacts.artifacts}, ${value.artifacts.bytes} bytes; ${value.artifacts.found} were there. Verified.`,
            ],
          ] as const)),
    ]),
})
