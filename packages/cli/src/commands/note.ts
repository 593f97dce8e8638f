import { actingDetails, actingOptions, actOnce } from '../act.js'
import { actedSchema } from '../acted-document.js'
import { defineCommand } from '../command.js'
import { actedText } from '../output/acted-text.js'

export const note = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run' }, TEXT: { says: 'what the log should say' } },
  options: actingOptions,
  details: `Adds a note to the log, for whoever reads it later. It changes nothing else, and makes no token stale by itself.\n\n${actingDetails}`,
  examples: [{ line: 'note digest-src "worker-3 was moved to another disk"', says: 'leave word' }],
  output: 'document',
  schema: actedSchema,
  run: (context, { args, options }) => actOnce(context, args.RUN, { type: 'note', text: args.TEXT }, options),
  human: actedText,
})
