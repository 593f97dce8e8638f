import { readFileSync } from 'node:fs'
import { Argument, CommanderError, InvalidArgumentError, Option, Command as Parser } from 'commander'
import { secretsIn } from './address.js'
import type { AnyCommand, OptionSpec } from './command.js'
import { asFailure, type CommandFailure } from './command-failure.js'
import { type ExitName, exitCodes } from './exit-codes.js'
import { globalSpecs } from './global-options.js'
import { isUnread, Output } from './output/output.js'
import { fitProse } from './output/prose.js'
import { visible } from './output/visible.js'
import { type Entry, groups, registry } from './registry.js'
import { type Globals, runCommand } from './run-command.js'
import type { World } from './world.js'

/** Runs one command line to its end. Resolves with what the process exits with. */
export async function main(world: World): Promise<number> {
  let exit: ExitName = 'ok'
  const program = programOf(world, async (command, globals, args, options) => {
    exit = await runCommand(world, command, globals, args, options)
  })
  try {
    await program.parseAsync(asked(world.args), { from: 'user' })
    return exitCodes[exit].code
  } catch (error) {
    if (error instanceof CommanderError) return await afterParser(world, error)
    return isUnread(error) ? exitCodes.ok.code : await tell(world, error)
  }
}

/** What a command takes is known once it is loaded, which asking it for help does: `help log` is `log --help`. */
const asked = ([first, ...others]: readonly string[]): string[] =>
  first === 'help' && others.length > 0 ? [...others, '--help'] : [...(first === undefined ? [] : [first]), ...others]

/** Of the package that this is a part of: built or packed, it stands one folder below its manifest. */
const ownVersion = (): string => JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version
const order = Object.keys(groups)
const inGroups = [...registry].sort((a, b) => order.indexOf(a.group) - order.indexOf(b.group))

type Run = (
  command: AnyCommand,
  globals: Globals,
  args: readonly unknown[],
  options: Readonly<Record<string, unknown>>,
) => Promise<void>

/** The command line as it is documented; `run` is called with what was given. */
export function programOf(world: World, run: Run): Parser {
  const program = new Parser('reprise')
    .description('Watch the runs of a fleet, replay their logs, find out why something failed, and act on them.')
    .version(ownVersion(), '-V, --version', 'print the version')
    .enablePositionalOptions()
    .showHelpAfterError('(add --help for how it is used)')
    .addHelpText('after', '\nEvery command has --help, with examples. docs/cli.md has them all.')
  configure(program, world)
  const parents = new Map<string, Parser>()
  for (const entry of inGroups) {
    const [first = '', second] = entry.name.split(' ')
    let parent = program
    if (second !== undefined) {
      parent = parents.get(first) ?? configure(program.command(first).description(groupSays(first)), world)
      parent.helpGroup(`${groups[entry.group]}:`)
      parents.set(first, parent)
    }
    const command = configure(parent.command(second ?? first).description(entry.says), world)
    command.helpGroup(`${groups[entry.group]}:`)
    // Its options are known once it is loaded, which is before they are parsed.
    parent.hook('preSubcommand', async (_parent, chosen) => {
      if (chosen === command) specify(command, world, entry, await entry.load(), run)
    })
  }
  return program
}

const helpWidth = ({ isTTY, columns = 80 }: World['stdout']): number => (isTTY === true ? Math.max(columns, 20) : 80)

const groupSays = (first: string): string =>
  registry
    .filter(({ name }) => name.startsWith(`${first} `))
    .map(({ name }) => name.slice(first.length + 1))
    .join(', ')

function configure(command: Parser, { stdout, stderr, args }: World): Parser {
  return command
    .exitOverride()
    .helpOption('-h, --help', 'print this')
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      getOutHelpWidth: () => helpWidth(stdout),
      // What is wrong with a command line may repeat it, secrets included.
      writeErr: (text) =>
        void stderr.write(visible(args.flatMap(secretsIn).reduce((safe, s) => safe.replaceAll(s, '***'), text))),
    })
}

function specify(parser: Parser, world: World, entry: Entry, command: AnyCommand, run: Run): void {
  for (const [name, { says, optional, many, oneOf }] of Object.entries(command.args)) {
    const dots = many ? '...' : ''
    const argument = new Argument(optional ? `[${name}${dots}]` : `<${name}${dots}>`, says)
    if (oneOf !== undefined) argument.choices(oneOf)
    parser.addArgument(argument)
  }
  for (const [name, spec] of Object.entries<OptionSpec>(command.options)) parser.addOption(optionOf(name, spec))
  for (const [name, spec] of Object.entries<OptionSpec>(globalSpecs)) {
    parser.addOption(optionOf(name, spec).helpGroup('Everywhere:'))
  }
  parser.addHelpText('after', () => helpText(entry, command, helpWidth(world.stdout)))
  parser.action(async (...given: unknown[]) => {
    const args = given.slice(0, -2)
    const all = given.at(-2) as Record<string, unknown>
    const { at, with: parts = [], json = false, color = 'auto', ...options } = all
    await run(command, { at, parts, json, color } as Globals, args, options)
  })
}

function optionOf(name: string, spec: OptionSpec): Option {
  const short = spec.short === undefined ? '' : `-${spec.short}, `
  const option = new Option(`${short}--${name}${spec.value === undefined ? '' : ` <${spec.value}>`}`, spec.says)
  const { oneOf, many } = spec
  if (oneOf !== undefined) option.choices(oneOf)
  if (many) {
    const check = (value: string): string => {
      if (oneOf === undefined || oneOf.includes(value)) return value
      throw new InvalidArgumentError(`Allowed choices are ${oneOf.join(', ')}.`)
    }
    option.argParser((value: string, before: string[] = []) => [...before, check(value)])
  }
  option.attributeName = () => name
  // Or `--no-wait` would be a switch called `wait` that is on.
  option.negate = false
  return option
}

function helpText(entry: Entry, command: AnyCommand, width: number): string {
  const examples = command.examples.flatMap(({ line, says }) => [`  $ reprise ${line}`, `    ${says}`])
  return [
    '',
    fitProse(command.details, width),
    '',
    command.examples.length > 1 ? 'Examples:' : 'Example:',
    ...examples,
    '',
    `docs/cli.md#${entry.name.replace(' ', '-')}`,
  ].join('\n')
}

/** It has said what is wrong, or shown the help that was asked for, to people. */
async function afterParser(world: World, { exitCode, message }: CommanderError): Promise<number> {
  if (exitCode === 0) return exitCodes.ok.code
  if (wantsJson(world)) {
    const error = { code: 'USAGE', message: message.replace(/^error: /, ''), details: {} }
    await outputOf(world).json({ error })
  }
  return exitCodes.usage.code
}

/** Whether `--json` was given, whatever else is wrong; behind `--` it is somebody else's. */
const wantsJson = ({ args }: World): boolean => {
  const end = args.indexOf('--')
  return (end < 0 ? args : args.slice(0, end)).includes('--json')
}

function outputOf({ args, env, stdout, stderr }: World): Output {
  const secrets = [...args, env.REPRISE_AT ?? '', env.REPRISE_WITH ?? ''].flatMap(secretsIn)
  return new Output({ stream: stdout, colour: false }, { stream: stderr, colour: false }, secrets)
}

/** What a failed command says, and its exit code. */
async function tell(world: World, error: unknown): Promise<number> {
  const output = outputOf(world)
  const failure = asFailure(error)
  if (wantsJson(world)) {
    // If it cannot be written there, standard error says it.
    await output.json({ error: failure === null ? bug(error) : plainFailure(failure) }).catch(() => {})
  }
  if (failure !== null) {
    await output.note(`reprise: ${failure.message}`)
    return exitCodes[failure.exit].code
  }
  await output.note(
    `reprise: a bug: ${error instanceof Error ? error.stack : String(error)}\nPlease report it with the command line.`,
  )
  return 70
}

const plainFailure = ({ code, message, details }: CommandFailure) => ({ code, message, details })
const bug = (error: unknown) => ({ code: 'BUG', message: String(error), details: {} })
