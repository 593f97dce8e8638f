import { isRepriseError } from '@reprise/core'
import { forkRun } from '@reprise/core/replay'
import { z } from 'zod'
import { defineCommand } from '../command.js'
import { runIdOf } from '../read-values.js'
import { readRunAt, runAtHelp, unknownRunAt } from '../run-at.js'

const schema = z.object({
  runId: z.string().describe('of the new run'),
  from: z.object({
    runId: z.string(),
    version: z.number(),
    hash: z.string().describe('of the commit of the original that holds the event of that version'),
  }),
  shared: z.number().describe('commits that both have, byte by byte'),
  commits: z.number(),
  version: z.number().describe('number of events in the new log'),
  head: z.string().describe('hash of its newest commit'),
  already: z.boolean().describe('it had been made before'),
})

export const fork = defineCommand({
  args: {
    'RUN@VERSION': { says: 'the run, and where in its log', what: 'run' },
    NEW: { says: 'the id of the new run' },
  },
  options: {},
  details: `
Makes a new run that goes on from any version of another one, finished ones too. Nothing of that one changes. The new log
begins with the same commits, byte by byte, then says what it was forked from. The new run is open and held by nobody:
what was out in the original at that version it hands out itself once it is opened, and receipts of the original are
refused. Its limit on time begins anew; what was spent stays spent. Killed in the middle, the same call goes on.

${runAtHelp}`,
  examples: [
    { line: 'fork digest-src@57 digest-try-2', says: 'try again from before the wrong decision' },
    { line: 'fork digest-src@HEAD digest-more', says: 'go on with a run that has ended' },
  ],
  output: 'document',
  schema,
  run: async (context, { args }) => {
    const place = readRunAt(args['RUN@VERSION'])
    const newId = runIdOf(args.NEW)
    const { log } = await context.open({ to: 'write' })
    try {
      return await forkRun(log, place.runId, place.where, newId, { signal: context.signal })
    } catch (error) {
      throw isRepriseError(error, 'RUN_UNKNOWN') ? unknownRunAt(place, context.place) : error
    }
  },
  human: ({ runId, from, shared, commits, already, version }, style) =>
    style.pairs([
      ['run', style.ink('bold', style.text(runId))],
      ['forked from', `${style.text(from.runId)}@${from.version}${already ? ' (it was made before)' : ''}`],
      ['log', `${commits} commits, version ${version}; the first ${shared} are shared. Verified.`],
      ['next', `reprise resume ${style.text(runId)} --hold, or a program: openRun({ runId: '${style.text(runId)}' })`],
    ]),
})
