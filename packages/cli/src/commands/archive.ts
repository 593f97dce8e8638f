import { join } from 'node:path'
import { archiveRun, logFileAt } from '@reprise/core/replay'
import { z } from 'zod'
import { defineCommand } from '../command.js'
import { usage } from '../command-failure.js'
import { withFile } from '../file-failure.js'
import { logSummaryShape, summaryPairs } from '../log-summary.js'
import { runIdOf } from '../read-values.js'

const schema = z.object({
  ...logSummaryShape,
  path: z.string().describe('the archive'),
  already: z.boolean().describe('it had been archived and removed before'),
})

export const archive = defineCommand({
  args: { RUN: { says: 'the id of a run that has ended', what: 'run' } },
  options: { to: { says: 'the folder for RUN.jsonl.gz; made if it is not there', value: 'FOLDER', what: 'folder' } },
  details: `
Packs the log of a run that has ended into a file, reads that again, checks it against the log, makes it durable, and only
then removes the run. Killed anywhere, the run is still there or the archive is, and the same call goes on. An open run is
refused, and so is a file of that name that holds something else. Artifacts stay where they are. To get the run back:
reprise import FILE.`,
  examples: [{ line: 'archive digest-src --to archive', says: 'archive/digest-src.jsonl.gz, and the run is gone' }],
  output: 'document',
  schema,
  run: async (context, { args, options }) => {
    const runId = runIdOf(args.RUN)
    const { to } = options
    if (to === undefined) throw usage('Say where to put the archive: --to FOLDER.')
    const { log } = await context.open({ to: 'write' })
    const path = join(to, `${runId}.jsonl.gz`)
    return await withFile(path, () => archiveRun(log, runId, logFileAt(path), { signal: context.signal }))
  },
  human: (value, style) =>
    style.pairs([
      ...summaryPairs(value, style),
      ['archived', style.text(value.path)],
      ['removed', value.already ? 'before; the archive was read again' : 'yes, after the archive was read back'],
    ]),
})
