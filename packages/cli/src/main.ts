import { readFileSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { CommanderError, InvalidArgumentError, Option, Command as Parser } from 'commander'
import { secretsIn } from './address.js'
import type { AnyCommand } from './command.js'
import { asFailure, type CommandFailure } from './command-failure.js'
import { type ExitName, exitCodes } from './exit-codes.js'
import { Output } from './output/output.js'
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
    await program.parseAsync([...world.args], { from: 'user' })
    return exitCodes[exit].code
  } catch (error) {
    // It has said what is wrong, or shown the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage.code
    return await tell(world, error)
  }
}

/** Of the package that this is a part of: built or packed, it stands one folder below its manifest. */
const ownVersion = (): string => JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version

type Run = (
  command: AnyCommand,
  globals: Globals,
  args: readonly unknown[],
  options: Readonly<Record<string, unknown>>,
) => Promise<void>

function programOf(world: World, run: Run): Parser {
  const program = new Parser('reprise')
    .description('Watch the runs of a fleet, replay their logs, find out why something failed, and act on them.')
    .version(ownVersion(), '-V, --version', 'print the version')
    .enablePositionalOptions()
    .showHelpAfterError('(add --help for how it is used)')
    .addHelpText('after', '\nEvery command has --help, with examples. docs/cli.md has them all.')
  configure(program, world)
  const parents = new Map<string, Parser>()
  for (const entry of registry) {
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
      if (chosen === command) specify(command, entry, await entry.load(), run)
    })
  }
  return program
}

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
      // What is wrong with a command line may repeat it, secrets included.
      writeErr: (text) =>
        void stderr.write(visible(args.flatMap(secretsIn).reduce((safe, s) => safe.replaceAll(s, '***'), text))),
    })
}

function specify(parser: Parser, entry: Entry, command: AnyCommand, run: Run): void {
  for (const [name, { says, optional, many }] of Object.entries(command.args)) {
    const dots = many ? '...' : ''
    parser.argument(optional ? `[${name}${dots}]` : `<${name}${dots}>`, says)
  }
  for (const [name, spec] of Object.entries(command.options)) {
    const short = spec.short === undefined ? '' : `-${spec.short}, `
    const option = new Option(`${short}--${name}${spec.value === undefined ? '' : ` <${spec.value}>`}`, spec.says)
    // Or `--no-wait` would be a switch called `wait` that is on.
    option.negate = false
    const { oneOf } = spec
    if (oneOf !== undefined) option.choices(oneOf)
    if (spec.many) {
      const check = (value: string): string => {
        if (oneOf === undefined || oneOf.includes(value)) return value
        throw new InvalidArgumentError(`Allowed choices are ${oneOf.join(', ')}.`)
      }
      option.argParser((value: string, before: string[] = []) => [...before, check(value)]).default([], 'none')
    }
    option.attributeName = () => name
    // A switch that was given is true, whatever its name begins with.
    option.negate = false
    parser.addOption(option)
  }
  for (const option of globalOptions()) parser.addOption(option)
  parser.addHelpText('after', () => helpText(entry, command))
  parser.action(async (...given: unknown[]) => {
    const args = given.slice(0, -2)
    const all = given.at(-2) as Record<string, unknown>
    const { at, with: parts, json, color, ...options } = all
    await run(command, { at, parts, json, color } as Globals, args, options)
  })
}

/** What every command takes. */
export const globalOptions = (): Option[] =>
  [
    new Option(
      '--at <ADDRESS>',
      'a folder, redis://… or nats://…; default: $REPRISE_AT, or the nearest .reprise upwards',
    ),
    new Option('--with <PART=ADDRESS>', 'where leases, queue, inbox or artifacts are, if not with the log')
      .argParser((value: string, before: string[] = []) => [...before, value])
      .default([], 'none'),
    new Option('--json', 'print JSON for programs').default(false, 'text for people'),
    new Option('--color <WHEN>', 'colours').choices(['auto', 'always', 'never']).default('auto'),
  ].map((option) => option.helpGroup('Everywhere:'))

function helpText(entry: Entry, command: AnyCommand): string {
  const examples = command.examples.flatMap(({ line, says }) => [`  $ reprise ${line}`, `    ${says}`])
  return [
    '',
    command.details.trim(),
    '',
    command.examples.length > 1 ? 'Examples:' : 'Example:',
    ...examples,
    '',
    `docs/cli.md#${entry.name.replace(' ', '-')}`,
  ].join('\n')
}

/** What a failed command says, and its exit code. */
async function tell(world: World, error: unknown): Promise<number> {
  const secrets = [...world.args, world.env.REPRISE_AT ?? '', world.env.REPRISE_WITH ?? ''].flatMap(secretsIn)
  const sink = (stream: Writable) => ({ stream, colour: false })
  const output = new Output(sink(world.stdout), sink(world.stderr), secrets)
  const failure = asFailure(error)
  if (world.args.includes('--json')) await output.json({ error: failure === null ? bug(error) : plainFailure(failure) })
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
