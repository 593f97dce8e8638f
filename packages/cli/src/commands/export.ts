import { exportRun, gzipped, type LogSummary, logFileAt } from '@reprise/core/replay'
import { z } from 'zod'
import { defineCommand } from '../command.js'
import { withFile } from '../file-failure.js'
import { logSummaryShape, summaryPairs } from '../log-summary.js'
import { runIdOf, unknownRun } from '../read-values.js'

const schema = z.object({
  ...logSummaryShape,
  file: z.string().nullable().describe('null: it went to standard output, or nowhere with --json'),
  bytes: z.number().describe('of the log, before packing'),
})

/** Characters that are put together before they are written. */
const pieceMax = 64 * 1024

export const exportCommand = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run' } },
  options: {
    output: { says: 'write to this file, as a whole or not at all', value: 'FILE', short: 'o', what: 'file' },
    gzip: { says: 'pack it' },
  },
  details: `
Writes the lines of the log, exactly as they are, each checked before it is written: the file is a log. Without -o they go
to standard output; if the command fails, what came out is not whole. With -o the file stands under its name only once it
is whole and on the disk, and replaces what was there. With --json and without -o, the log is read and checked, and only
what it comes to is printed.`,
  examples: [
    { line: 'export digest-src -o digest-src.jsonl', says: 'a copy to read with jq, or to send to somebody' },
    { line: 'export digest-src --gzip | ssh host reprise import -', says: 'straight into another machine' },
  ],
  output: 'raw',
  schema,
  run: async (context, { args, options }) => {
    const runId = runIdOf(args.RUN)
    const { log } = await context.open()
    if ((await log.head(runId)) === null) throw unknownRun(runId, context.place)
    let [summary, bytes]: [LogSummary | null, number] = [null, 0]
    const pieces = async function* (): AsyncGenerator<string, void> {
      const lines = exportRun(log, runId, { signal: context.signal })
      let piece = ''
      for (;;) {
        const { done, value } = await lines.next()
        if (done) {
          summary = value
          break
        }
        piece += `${value}\n`
        if (piece.length < pieceMax) continue
        yield piece
        piece = ''
      }
      if (piece !== '') yield piece
    }
    const counted = async function* (): AsyncGenerator<string, void> {
      for await (const piece of pieces()) {
        bytes += Buffer.byteLength(piece)
        yield piece
      }
    }
    const file = options.output ?? null
    const content = options.gzip ? gzipped(counted()) : encoded(counted())
    if (file !== null) await withFile(file, () => logFileAt(file, { replace: true }).write(content))
    else if (context.json) for await (const _ of content);
    else for await (const piece of content) await context.out.raw(piece)
    return { ...(summary as unknown as LogSummary), file, bytes }
  },
  human: (value, style) =>
    style.pairs([
      ...summaryPairs(value, style),
      ['exported', value.file === null ? 'to standard output' : style.text(value.file)],
    ]),
})

async function* encoded(texts: AsyncIterable<string>): AsyncGenerator<Uint8Array, void> {
  for await (const text of texts) yield Buffer.from(text)
}
