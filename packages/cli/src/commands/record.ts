import { basename } from 'node:path'
import { isRepriseError } from '@reprise/core'
import { logFileAt, recordTest } from '@reprise/core/replay'
import { z } from 'zod'
import { defineCommand } from '../command.js'
import { withFile } from '../file-failure.js'
import { runIdOf, unknownRun } from '../read-values.js'
import { readWhere } from '../run-at.js'

const schema = z.object({
  runId: z.string(),
  version: z.number().describe('where the recorded log ends'),
  commits: z.number(),
  log: z.string().nullable().describe('the file that holds the log; null: it stands in the test'),
  source: z.string().describe('the test'),
})

export const record = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run' } },
  options: {
    until: { says: 'record up to this place: 57, -1, HEAD or a time; default: HEAD', value: 'VERSION' },
    log: { says: 'put the log into this file, packed, to lie beside the test', value: 'FILE', what: 'file' },
  },
  details: `
Writes a vitest file that holds the log of a run, checks its hash chain, replays it, and asserts what it comes to: status,
mode, every task, counts, spend, the head. It needs @reprise/core and vitest. Longer logs are packed inside; one that is
still too large for a test is refused: name a file for it with --log, in the folder where the test will be.`,
  examples: [
    { line: 'record digest-src > digest-src.test.ts', says: 'a failure that must come out the same for ever' },
    {
      line: 'record digest-src --until 57 --log digest-src.jsonl.gz > digest-src.test.ts',
      says: 'its beginning, the log beside the test',
    },
  ],
  output: 'raw',
  schema,
  run: async (context, { args, options }) => {
    const runId = runIdOf(args.RUN)
    const { log } = await context.open()
    const file = options.log
    const until = readWhere(options.until ?? 'HEAD')
    const recorded = await recordTest(log, runId, {
      until,
      ...(file !== undefined && { logFile: basename(file) }),
    }).catch((error: unknown) => {
      throw isRepriseError(error, 'RUN_UNKNOWN') ? unknownRun(runId, context.place) : error
    })
    const { source, version, commits, log: packed } = recorded
    if (file !== undefined && packed !== null) {
      await withFile(file, () => logFileAt(file, { replace: true }).write(once(packed)))
    }
    if (!context.json) await context.out.raw(source)
    return { runId, version, commits, log: file ?? null, source }
  },
  human: ({ runId, version, commits, log }, style) =>
    `Recorded ${style.text(runId)} up to version ${version}, ${commits} commits${log === null ? '' : `; its log is in ${style.text(log)}, to lie beside the test`}.`,
})

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes
}
