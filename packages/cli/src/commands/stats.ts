import { commitsFrom, statsKeys, statsOf } from '@reprise/core/replay'
import { defineCommand } from '../command.js'
import { runIdOf, unknownRun } from '../read-values.js'
import { statsSchema } from '../stats-schema.js'
import { statsText } from '../stats-text.js'

export const stats = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run' } },
  options: {
    by: { says: 'tell attempts apart by this; lane: of the queue', value: 'WHAT', oneOf: statsKeys },
  },
  details: `Latencies of attempts (waiting for a worker, work, recording, decision), attempts per task, refused receipts by gate,
spend and time. Reads and checks the whole log, and changes nothing. Percentiles come from histograms whose buckets grow by
9.1 %: a percentile is at most that much too high, and never too low; counts, sums, least and greatest are exact.

Two of the latencies lead from one machine's clock to another's. Values below 0 are counted apart, and shown as clock skew.`,
  examples: [
    { line: 'stats digest-src', says: 'the whole run' },
    { line: 'stats digest-src --by worker', says: 'a line for each worker' },
    { line: 'stats digest-src --by kind --json', says: 'with the buckets, for programs' },
  ],
  output: 'document',
  schema: statsSchema,
  run: async (context, { args, options }) => {
    const runId = runIdOf(args.RUN)
    const { log } = await context.open()
    const by = statsKeys.find((key) => key === options.by)
    const found = await statsOf(commitsFrom(log, runId), { by })
    if (found === null) throw unknownRun(runId, context.place)
    return { ...found, refusals: { ...found.refusals } }
  },
  human: statsText,
})
