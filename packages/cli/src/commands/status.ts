import { loadRun, nextAction } from '@reprise/core'
import { z } from 'zod'
import { defineCommand } from '../command.js'
import { runIdOf, unknownRun } from '../read-values.js'

const schema = z.object({
  runId: z.string(),
  version: z.number(),
  status: z.string(),
  mode: z.string(),
  goal: z.string(),
  nextAction: z.string(),
})

export const status = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run' } },
  options: {},
  details: 'Folds the log of the run, from its snapshot if there is one. Changes nothing.',
  examples: [{ line: 'status digest-src', says: 'where the run stands' }],
  output: 'document',
  schema,
  run: async (context, { args }) => {
    const runId = runIdOf(args.RUN)
    const { log, snapshots } = await context.open()
    const { state } = await loadRun(log, runId, { snapshots })
    if (state.version === 0) throw unknownRun(runId, context.place)
    const { version, status, mode, goal } = state
    return { runId, version, status, mode, goal, nextAction: nextAction(state) }
  },
  human: (value, style) =>
    style.pairs([
      ['run', style.ink('bold', style.text(value.runId))],
      ['status', `${style.status(value.status)} at version ${value.version}`],
      ['mode', value.mode],
      ['goal', style.text(value.goal)],
      ['next', style.text(value.nextAction)],
    ]),
})
