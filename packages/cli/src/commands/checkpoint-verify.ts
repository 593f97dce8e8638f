import { resolve } from 'node:path'
import { checkpointBytesMax, checkpointFindings, checkpointSchema, verifyCheckpoint } from '@reprise/core/replay'
import { z } from 'zod'
import { readPinnedKeys } from '../checkpoint-keys.js'
import { defineCommand } from '../command.js'
import { usage } from '../command-failure.js'
import { wrapped } from '../output/wrap.js'
import { readSmallFile } from '../small-file.js'

const schema = z.object({
  ok: z.boolean(),
  finding: z.enum(checkpointFindings).describe('same and grown are fine'),
  message: z.string(),
  remedy: z.string().nullable(),
  checkpoint: checkpointSchema.describe('what it says; not to be believed after unknown-key and bad-signature'),
  log: z
    .object({ commits: z.number(), version: z.number(), head: z.string() })
    .nullable()
    .describe('what the log holds now, as far as it is right'),
})

export const checkpointVerify = defineCommand({
  args: { FILE: { says: 'the checkpoint; - for standard input', what: 'file' } },
  options: {
    keys: {
      says: 'public keys of signers: PEM, or JSON like the worker keys of a policy (needed)',
      value: 'FILE',
      many: true,
      what: 'file',
    },
  },
  details: `
Checks the signature of a checkpoint by the keys that you trust, then reads the log of its run and checks that it still
begins with exactly the commits that were signed. A log that has grown since is fine. Finds a log whose end was cut off,
that was rolled back to a backup, written anew with a right hash chain, or exchanged with that of another run; ends with 1
then. Changes nothing.`,
  examples: [
    { line: 'checkpoint verify digest-src.checkpoint --keys checkpoint.pub', says: 'is the log still the one?' },
  ],
  output: 'document',
  schema,
  run: async (context, { args, options }) => {
    const path = args.FILE === '-' ? '-' : resolve(context.cwd, args.FILE)
    const { text } = await readSmallFile(path, 'a checkpoint', checkpointBytesMax, context.stdin)
    if (options.keys.length === 0) {
      throw usage('checkpoint verify needs --keys FILE, the public keys of the signers that you trust.')
    }
    const keys = await Promise.all(options.keys.map((file) => readPinnedKeys(resolve(context.cwd, file))))
    const { log } = await context.open()
    const verdict = await verifyCheckpoint(log, text, keys.flat())
    if (!verdict.ok) context.exitWith('problem')
    return verdict
  },
  human: ({ ok, finding, message, remedy, checkpoint }, style) =>
    [
      wrapped(style, `${style.ink(ok ? 'green' : 'red', finding)}  ${style.text(message)}`),
      ...(remedy === null ? [] : [wrapped(style, style.text(remedy))]),
      ...(finding === 'unknown-key' || finding === 'bad-signature'
        ? []
        : [style.ink('dim', `Signed by ${checkpoint.keyId}, at ${checkpoint.at} by its clock.`)]),
    ].join('\n'),
})
