import { isRepriseError } from '@reprise/core'
import { standingSince } from '@reprise/core/replay'
import { z } from 'zod'
import { defineCommand } from '../command.js'
import { changesText } from '../output/acted-text.js'
import { required } from '../read-required.js'
import { runIdOf, unknownRun, wholeNumber } from '../read-values.js'

const schema = z.object({
  runId: z.string(),
  version: z.number(),
  total: z.number().describe('events since the token was issued'),
  newest: z.array(z.object({ version: z.number(), at: z.string(), type: z.string(), text: z.string() })),
  token: z.string().describe('for who has read this'),
})

export const changes = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run' } },
  options: {
    token: { says: 'of a briefing, or of the last command; default: $REPRISE_TOKEN', value: 'TOKEN' },
    limit: { says: 'tell at most so many, the newest (default 50, at most 1000)', value: 'N' },
  },
  details: `What has happened in a run since a token was issued, and a token for who has read that. Reads the end of the log only.
Changes nothing.`,
  examples: [{ line: 'changes digest-src --token "$TOKEN"', says: 'what came since the last look' }],
  output: 'document',
  schema,
  run: async (context, { args, options }) => {
    const runId = runIdOf(args.RUN)
    const token = required(options.token ?? context.env.REPRISE_TOKEN, '--token')
    const max = options.limit === undefined ? {} : { max: wholeNumber(options.limit, '--limit', 1, 1_000) }
    const { log } = await context.open()
    try {
      const { version, changes: since, token: fresh } = await standingSince(log, runId, token, max)
      return { runId, version, total: since.total, newest: since.newest.map((each) => ({ ...each })), token: fresh }
    } catch (error) {
      if (isRepriseError(error, 'RUN_UNKNOWN')) throw unknownRun(runId, context.place)
      throw error
    }
  },
  human: ({ total, newest, token, version }, style) =>
    total === 0
      ? `nothing has happened since; version ${version}`
      : `${changesText({ total, newest }, style)}\nnext token: ${token}`,
})
