import { actingDetails, actingOptions, actOnce } from '../act.js'
import { actedSchema } from '../acted-document.js'
import { defineCommand } from '../command.js'
import { actedText } from '../output/acted-text.js'
import { required } from '../read-required.js'
import { taskIdOf } from '../read-values.js'

/** A criterion is named by its number, or by its exact text. */
export const criterionOf = (text: string): number | string => (/^[1-9]\d{0,2}$/.test(text) ? Number(text) : text)

const args = {
  RUN: { says: 'the id of the run', what: 'run' },
  CRITERION: { says: 'its number, from 1, or its exact text' },
} as const

export const criterionMet = defineCommand({
  args,
  options: {
    evidence: { says: 'what shows it (required)', value: 'TEXT' },
    task: { says: 'an accepted task that shows it', value: 'TASK', many: true, what: 'task' },
    ...actingOptions,
  },
  details: `Records evidence for a success criterion: a run can only be completed when each has some. Evidence replaces what was
there before.\n\n${actingDetails}`,
  examples: [
    {
      line: 'criterion met digest-src 1 --evidence "120 of 120 files" --task file-1',
      says: 'say that it is met, and why',
    },
  ],
  output: 'document',
  schema: actedSchema,
  run: (context, { args: { RUN, CRITERION }, options }) => {
    const evidence = required(options.evidence, '--evidence')
    const tasks = options.task.map(taskIdOf)
    return actOnce(
      context,
      RUN,
      { type: 'meet-criterion', criterion: criterionOf(CRITERION), evidence, tasks },
      options,
    )
  },
  human: actedText,
})

export const criterionReopen = defineCommand({
  args,
  options: { reason: { says: 'why, for whoever reads the log (required)', value: 'TEXT' }, ...actingOptions },
  details: `Takes evidence back that has turned out wrong.\n\n${actingDetails}`,
  examples: [
    { line: 'criterion reopen digest-src 1 --reason "two files were empty"', says: 'it is not met after all' },
  ],
  output: 'document',
  schema: actedSchema,
  run: (context, { args: { RUN, CRITERION }, options }) => {
    const reason = required(options.reason, '--reason')
    return actOnce(context, RUN, { type: 'reopen-criterion', criterion: criterionOf(CRITERION), reason }, options)
  },
  human: actedText,
})
