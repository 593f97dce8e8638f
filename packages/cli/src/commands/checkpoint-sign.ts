import { resolve } from 'node:path'
import { isRepriseError } from '@reprise/core'
import { checkpointSchema, signCheckpoint } from '@reprise/core/replay'
import { z } from 'zod'
import { defineCommand } from '../command.js'
import { usage } from '../command-failure.js'
import { runIdOf, unknownRun } from '../read-values.js'
import { readSmallFile } from '../small-file.js'
import { writeWholeFile } from '../write-whole-file.js'

const keyBytesMax = 64 * 1024

const schema = z.object({
  checkpoint: checkpointSchema.describe('what was signed'),
  text: z.string().describe('the line to be kept, exactly as it is'),
  file: z.string().nullable().describe('where it was written; null: standard output'),
})

export const checkpointSign = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run' } },
  options: {
    key: { says: 'private Ed25519 key, PEM (needed)', value: 'FILE', what: 'file' },
    'key-id': { says: 'what the key is called; default: 16 hex digits of its public half', value: 'ID' },
    output: { says: 'write it there instead of to standard output', value: 'FILE', short: 'o', what: 'file' },
  },
  details: `
Verifies the whole log of the run and signs what it holds: the number of its commits and the hash of the last one, which
fixes every byte before it. Keep what it prints where whoever can write the log cannot: another machine, a ticket, a git
repository. From then on reprise checkpoint verify finds a log whose end was cut off, that was rolled back to a backup, or
that was written anew; a hash chain alone shows none of these.

A key is made once, and its public half given to whoever verifies:

  openssl genpkey -algorithm ed25519 -out checkpoint.key && chmod 600 checkpoint.key
  openssl pkey -in checkpoint.key -pubout -out checkpoint.pub

The time in a checkpoint is that of this machine's clock: nothing proves it. A log that does not verify is not signed.`,
  examples: [
    {
      line: 'checkpoint sign digest-src --key checkpoint.key -o digest-src.checkpoint',
      says: 'after every night, and before moving a log',
    },
  ],
  output: 'raw',
  schema,
  run: async (context, { args, options }) => {
    const runId = runIdOf(args.RUN)
    if (options.key === undefined)
      throw usage('checkpoint sign needs --key FILE, a private Ed25519 key. --help says how to make one.')
    const path = resolve(context.cwd, options.key)
    const { text: privateKey, mode } = await readSmallFile(path, 'a private key', keyBytesMax)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      await context.out.note(
        `warning: others can read or replace ${options.key}. What they sign passes for yours: chmod 600 ${options.key}, or make another key.`,
      )
    }
    const { log } = await context.open()
    const { checkpoint, text } = await signCheckpoint(log, runId, { keyId: options['key-id'], privateKey }).catch(
      (error: unknown) => {
        throw isRepriseError(error, 'RUN_UNKNOWN') ? unknownRun(runId, context.place) : error
      },
    )
    const file = options.output === undefined ? null : resolve(context.cwd, options.output)
    if (file !== null) await writeWholeFile(context.cwd, file, text)
    else if (!context.json) await context.out.raw(text)
    return { checkpoint, text, file }
  },
  human: ({ checkpoint, file }, style) =>
    `Signed ${checkpoint.commits} commits (${checkpoint.version} events) of ${style.text(checkpoint.runId)} with key ${checkpoint.keyId}${
      file === null ? '' : `, in ${style.text(file)}`
    }. Keep it where whoever writes the log cannot.`,
})
