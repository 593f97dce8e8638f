import { actingDetails, actingOptions, actOnce } from '../act.js'
import { actedSchema } from '../acted-document.js'
import { defineCommand } from '../command.js'
import { actedText } from '../output/acted-text.js'
import { timeOf } from '../read-durations.js'
import { required } from '../read-required.js'

export const checkpointSet = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run' } },
  options: {
    due: { says: 'a time with its zone, or so long from now: +2h (required)', value: 'TIME' },
    note: { says: 'what to look at', value: 'TEXT' },
    ...actingOptions,
  },
  details: `When somebody should look at this run next. A watchdog tells it if that has passed.\n\n${actingDetails}`,
  examples: [
    { line: 'checkpoint set digest-src --due +2h --note "is half of it done?"', says: 'look again in two hours' },
  ],
  output: 'document',
  schema: actedSchema,
  run: (context, { args, options }) => {
    const dueAt = timeOf(required(options.due, '--due'), '--due')
    return actOnce(context, args.RUN, { type: 'set-checkpoint', dueAt, note: options.note ?? '' }, options)
  },
  human: actedText,
})
