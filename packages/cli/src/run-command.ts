import type { Adapter } from '@reprise/core'
import { secretsIn, withoutSecrets } from './address.js'
import type { AnyCommand, Context, OpenAtOptions } from './command.js'
import type { ExitName } from './exit-codes.js'
import { nearestFolder, openAt, openParts, readParts } from './open-at.js'
import { Output } from './output/output.js'
import { Style } from './output/style.js'
import type { World } from './world.js'

/** Options that every command takes. */
export interface Globals {
  readonly at: string | undefined
  readonly parts: readonly string[]
  readonly json: boolean
  readonly color: 'auto' | 'always' | 'never'
}

/** Runs a command, writes what it gives, and closes what it opened. */
export async function runCommand(
  world: World,
  command: AnyCommand,
  globals: Globals,
  args: readonly unknown[],
  options: Readonly<Record<string, unknown>>,
): Promise<ExitName> {
  const { env, cwd, stdout, stderr } = world
  const at = globals.at ?? nonEmpty(env.REPRISE_AT) ?? (await nearestFolder(cwd))
  const withTexts = globals.parts.length > 0 ? globals.parts : (nonEmpty(env.REPRISE_WITH)?.split(/\s+/) ?? [])
  const parts = readParts(withTexts)
  const secrets = [at, ...withTexts, ...args.flat().map(String), ...Object.values(options).flat().map(String)].flatMap(
    secretsIn,
  )
  const colourOn = (isTTY: boolean | undefined) => hasColour(globals.color, env, isTTY === true)
  const out = new Output(
    { stream: stdout, colour: colourOn(stdout.isTTY) },
    { stream: stderr, colour: colourOn(stderr.isTTY) },
    secrets,
  )
  const style = new Style(widthOf(world), hasUnicode(world.env))
  const opened: Adapter[] = []
  const openOne = async (address: string, how?: OpenAtOptions): Promise<Adapter> => {
    const adapter = await openAt(address, cwd, how)
    opened.push(adapter)
    return adapter
  }
  let main: Promise<Adapter> | undefined
  let exit: ExitName = 'ok'
  const context: Context = {
    ...{ cwd, env, out, style, stdin: world.stdin, json: globals.json, signal: world.signal },
    place: withoutSecrets(at),
    addresses: { at, with: withTexts },
    open: (how) => {
      main ??= openParts(at, parts, (address) => openOne(address, how))
      return main
    },
    openAt: openOne,
    exitWith: (name) => {
      exit = name
    },
  }
  try {
    await write(context, command, named(command, args), options)
  } finally {
    await Promise.allSettled(opened.map((adapter) => adapter.close()))
  }
  return exit
}

async function write(
  context: Context,
  command: AnyCommand,
  args: Readonly<Record<string, unknown>>,
  options: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { out, style, json } = context
  const input = { args, options: { ...defaults(command), ...options } }
  switch (command.output) {
    case 'lines':
      for await (const value of command.run(context, input)) {
        const line = json ? null : command.human(value, style, input)
        if (json) await out.json(value)
        else if (line !== null) await out.human(line)
      }
      return
    case 'document': {
      const value = await command.run(context, input)
      return json ? out.json(value, 2) : out.human(command.human(value, style, input))
    }
    case 'raw': {
      const value = await command.run(context, input)
      return json ? out.json(value, 2) : out.note(command.human(value, style, input))
    }
  }
}

const named = (command: AnyCommand, args: readonly unknown[]): Record<string, unknown> =>
  Object.fromEntries(Object.keys(command.args).map((name, i) => [name, args[i]]))

/** A switch that was not given is false. */
const defaults = (command: AnyCommand): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(command.options).map(([name, { value, many }]) => [
      name,
      many ? [] : value === undefined ? false : undefined,
    ]),
  )

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text)

/** NO_COLOR and FORCE_COLOR as everywhere else; what is said on the command line wins. */
function hasColour(color: Globals['color'], env: World['env'], isTTY: boolean): boolean {
  if (color !== 'auto') return color === 'always'
  if (nonEmpty(env.NO_COLOR) !== undefined) return false
  if (nonEmpty(env.FORCE_COLOR) !== undefined) return env.FORCE_COLOR !== '0'
  return isTTY && env.TERM !== 'dumb'
}

/** Columns; in a pipe there is no edge. */
function widthOf({ stdout, env }: World): number {
  if (env.COLUMNS !== undefined && /^[1-9]\d{0,4}$/.test(env.COLUMNS)) return Number(env.COLUMNS)
  if (stdout.isTTY !== true) return Number.POSITIVE_INFINITY
  return stdout.columns ?? 80
}

/** Whether the terminal's characters are UTF-8, as the locale says: then there are blocks and lines to draw with. */
const hasUnicode = ({ LC_ALL, LC_CTYPE, LANG }: World['env']): boolean =>
  /utf-?8/i.test([LC_ALL, LC_CTYPE, LANG].find((value) => nonEmpty(value) !== undefined) ?? '')
