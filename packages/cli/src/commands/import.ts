import { createReadStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { importRun, logFileAt, readLogFile } from '@reprise/core/replay'
import { z } from 'zod'
import { type Context, defineCommand } from '../command.js'
import { withFile } from '../file-failure.js'
import { logSummaryShape, summaryPairs } from '../log-summary.js'

const schema = z.object({
  ...logSummaryShape,
  appended: z.number().describe('commits that this call has written; the others were there, and the same'),
})

export const importCommand = defineCommand({
  args: { FILE: { says: 'a log, plain or packed with gzip; - for standard input', what: 'file' } },
  options: { open: { says: 'take in a run that has not ended' } },
  details: `
Takes a log in under the name of its run. The whole file is checked before anything is written: hashes, order, every event
and that it can follow the one before. What is wrong with it is told with its line. Afterwards the log is read back and
verified. Killed in the middle, the same call goes on; a log that is there already is only compared. Standard input and
pipes are put into a temporary file first, since it is read twice.

A run that has not ended is refused: if the original is opened again, there are two runs of one name. With --open it is
taken in.`,
  examples: [
    { line: 'import digest-src.jsonl.gz', says: 'an archive, back into the nearest .reprise' },
    { line: 'import - --at ./look --open < stuck.jsonl', says: 'a run that somebody has sent, for a look at it' },
  ],
  output: 'document',
  schema,
  run: async (context, { args, options }) => {
    const { FILE } = args
    if (FILE !== '-' && (await withFile(FILE, () => stat(FILE))).isFile())
      return await take(context, FILE, options.open)
    // A pipe can be read once.
    const source = FILE === '-' ? context.stdin : createReadStream(FILE)
    const folder = await mkdtemp(join(tmpdir(), 'reprise-import-'))
    try {
      const spooled = join(folder, 'log')
      await withFile(FILE, () => logFileAt(spooled).write(source))
      return await take(context, spooled, options.open)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
  human: (value, style) =>
    style.pairs([
      ...summaryPairs(value, style),
      ['written', `${value.appended} commits; ${value.commits - value.appended} were there. Verified.`],
    ]),
})

function take(context: Context, path: string, open: boolean) {
  return withFile(path, async () => {
    const { signal } = context
    const read = () => createReadStream(path)
    // Nothing is made for a file that is no log.
    const checked = await readLogFile(read(), signal)
    const { log, summaries } = await context.open({ to: 'create' })
    return await importRun(log, read, { checked, open, summaries, signal })
  })
}
