import { actingDetails, actingOptions, actOnce } from '../act.js'
import { actedSchema } from '../acted-document.js'
import { type AnyCommand, defineCommand } from '../command.js'
import { actedText } from '../output/acted-text.js'
import { required } from '../read-required.js'

/** A command about the whole run that needs nothing but a reason. */
const withReason = (
  type: 'pause' | 'unpause' | 'block' | 'unblock' | 'fail',
  details: string,
  example: { readonly line: string; readonly says: string },
): AnyCommand =>
  defineCommand({
    args: { RUN: { says: 'the id of the run', what: 'run' } },
    options: { reason: { says: 'why, for whoever reads the log (required)', value: 'TEXT' }, ...actingOptions },
    details: `${details}\n\n${actingDetails}`,
    examples: [example],
    output: 'document',
    schema: actedSchema,
    run: (context, { args, options }) =>
      actOnce(context, args.RUN, { type, reason: required(options.reason, '--reason') }, options),
    human: actedText,
  })

export const pause = withReason(
  'pause',
  'Nothing more goes out; what is out comes back and can be settled. For a while, by choice: `unpause` ends it.',
  { line: 'pause digest-src --reason "deploying"', says: 'hand nothing more out' },
)
export const unpause = withReason('unpause', 'What is planned goes out again.', {
  line: 'unpause digest-src --reason "deployed"',
  says: 'go on',
})
export const block = withReason(
  'block',
  'As `pause`, for something outside that must be mended first: the run is then not well, and says so.',
  { line: 'block digest-src --reason "the bucket is read-only"', says: 'stop until somebody has mended it' },
)
export const unblock = withReason('unblock', 'What was in the way is mended: what is planned goes out again.', {
  line: 'unblock digest-src --reason "bucket mended"',
  says: 'go on',
})
export const fail = withReason(
  'fail',
  'Ends the run without success; what is out is withdrawn. It cannot be opened again.',
  { line: 'fail digest-src --reason "the source is gone"', says: 'give the whole run up' },
)
