import { isRepriseError } from '@reprise/core'
import { diffRun, stateDiffSchema } from '@reprise/core/replay'
import { defineCommand } from '../command.js'
import { runIdOf, unknownRun, wholeNumber } from '../read-values.js'
import { readWhere, whereHelp } from '../run-at.js'
import { stoppableLog } from '../stoppable-log.js'
import { diffPage } from './diff-page.js'

export const diff = defineCommand({
  args: {
    RUN: { says: 'the id of the run', what: 'run' },
    A: { says: 'a version, -N, HEAD or a time' },
    B: { says: 'another one; default: HEAD', optional: true },
  },
  options: { list: { says: 'tasks listed of each kind; default: 100', value: 'NUMBER' } },
  details: `Shows what changed in a run between two places of its log, the earlier one first, whichever is named first: what
it is doing, who holds it, success criteria, counts, spend, tasks that came in, changed or were settled, and how many events
of which type lie between. ${whereHelp}

One pass over the log up to the later place, from the nearest snapshot that is not behind the earlier one; every commit that is
read is checked. Changes nothing.`,
  examples: [
    { line: 'diff digest-src 40', says: 'what has happened since version 40' },
    { line: 'diff digest-src -5', says: 'what the newest five events changed' },
    { line: 'diff digest-src 2026-11-21T10:00:00Z 2026-11-21T11:00:00Z', says: 'what changed in that hour' },
  ],
  output: 'document',
  schema: stateDiffSchema,
  run: async (context, { args, options }) => {
    const runId = runIdOf(args.RUN)
    const [from, to] = [readWhere(args.A), readWhere(args.B ?? 'HEAD')]
    const listedMax = options.list === undefined ? 100 : wholeNumber(options.list, '--list', 0, 1_000_000)
    const { log, snapshots, history } = await context.open()
    try {
      const stoppable = stoppableLog(log, context.signal)
      return await diffRun(stoppable, runId, from, to, { listedMax, snapshots, history })
    } catch (error) {
      throw isRepriseError(error, 'RUN_UNKNOWN') ? unknownRun(runId, context.place) : error
    }
  },
  human: diffPage,
})
