import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type ProgramOptions, programHandler, type SigningKey, type TaskHandler } from '@reprise/core'
import { readAddress } from '../address.js'
import type { Context } from '../command.js'
import { notFound, usage } from '../command-failure.js'
import { wholeNumber } from '../read-values.js'
import { readSmallFile } from '../small-file.js'

export interface WorkerSettings {
  readonly handlers: readonly TaskHandler[]
  readonly lanes: readonly string[]
  readonly concurrency: number
  readonly workerId: string | undefined
  readonly signingKey: SigningKey | undefined
  readonly drainMs: number
  readonly once: boolean
  readonly untilIdleMs: number | undefined
}

/** What was given to `reprise worker`. */
export interface WorkerInput {
  readonly program: readonly string[]
  readonly options: {
    readonly exec: string | undefined
    readonly kind: readonly string[]
    readonly lane: readonly string[]
    readonly concurrency: string | undefined
    readonly 'worker-id': string | undefined
    readonly cwd: string | undefined
    readonly timeout: string | undefined
    readonly 'kill-after': string | undefined
    readonly drain: string | undefined
    readonly 'keep-output': boolean
    readonly progress: boolean
    readonly 'pass-at': boolean
    readonly once: boolean
    readonly 'until-idle': string | undefined
    readonly sign: string | undefined
    readonly 'key-id': string | undefined
  }
}

/** Timers of Node.js reach no further. */
const secondsMax = 2_147_483

export async function readSettings(context: Context, { program, options }: WorkerInput): Promise<WorkerSettings> {
  const { exec, kind, lane, once } = options
  if ((exec === undefined) === (program.length === 0)) {
    throw usage('Give the program once: as --exec COMMAND, for a shell, or as -- PROGRAM ARGUMENT..., without one.')
  }
  if (exec?.trim() === '' || program[0] === '') throw usage('The program is empty.')
  if (kind.length === 0) throw usage('Give at least one --kind: tasks of other kinds are refused.')
  const lanes = lane.length === 0 ? ['default'] : [...new Set(lane)]
  const concurrency = given(options, 'concurrency', 1, 10_000) ?? 1
  if (once && (concurrency > 1 || lanes.length > 1)) {
    throw usage('--once takes one task: not with --concurrency above 1, nor with several lanes.')
  }
  const cwd = options.cwd === undefined ? context.cwd : await folderAt(resolve(context.cwd, options.cwd))
  const untilIdle = given(options, 'until-idle', 0, secondsMax)
  const timeout = given(options, 'timeout', 1, secondsMax)
  const runs: ProgramOptions = {
    command: exec === undefined ? program : ['/bin/sh', '-c', exec],
    cwd,
    env: options['pass-at'] ? passedOn(context) : {},
    killAfterMs: (given(options, 'kill-after', 0, secondsMax) ?? 5) * 1_000,
    keepOutput: options['keep-output'],
    progress: options.progress,
    ...(timeout !== undefined && { timeoutMs: timeout * 1_000 }),
  }
  return {
    handlers: [...new Set(kind)].map((one) => programHandler(one, runs)),
    lanes,
    concurrency,
    workerId: options['worker-id'],
    signingKey: await readKey(context, options.sign, options['key-id']),
    drainMs: (given(options, 'drain', 0, secondsMax) ?? 30) * 1_000,
    once,
    untilIdleMs: untilIdle === undefined ? undefined : untilIdle * 1_000,
  }
}

function given(
  options: WorkerInput['options'],
  name: 'concurrency' | 'until-idle' | 'timeout' | 'kill-after' | 'drain',
  least: number,
  most: number,
): number | undefined {
  const text = options[name]
  return text === undefined ? undefined : wholeNumber(text, `--${name}`, least, most)
}

async function folderAt(path: string): Promise<string> {
  const found = await stat(path).catch(() => null)
  if (found?.isDirectory()) return path
  throw notFound(`There is no folder ${path}. Name one with --cwd.`)
}

/** The program may run in another folder. */
function passedOn({ addresses, cwd }: Context): Record<string, string> {
  const absolute = (text: string): string => {
    const address = readAddress(text)
    return address.kind === 'files' ? resolve(cwd, address.dir) : text
  }
  const parts = addresses.with.map((text) => {
    const at = text.indexOf('=') + 1
    return text.slice(0, at) + absolute(text.slice(at))
  })
  return { REPRISE_AT: absolute(addresses.at), ...(parts.length > 0 && { REPRISE_WITH: parts.join(' ') }) }
}

async function readKey(
  context: Context,
  path: string | undefined,
  keyId: string | undefined,
): Promise<SigningKey | undefined> {
  if (path === undefined && keyId === undefined) return undefined
  if (path === undefined || keyId === undefined) throw usage('--sign KEYFILE and --key-id ID belong together.')
  const file = resolve(context.cwd, path)
  const { text, mode } = await readSmallFile(file, 'a private key', 64 * 1024)
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    await context.out.note(`reprise: others can read the private key ${file}. Mend it with: chmod 600`)
  }
  return { keyId, privateKey: text }
}
