import type { AnyCommand, OptionSpec, What } from '../command.js'
import { globalSpecs } from '../global-options.js'
import type { Entry } from '../registry.js'

export interface Candidate {
  readonly value: string
  readonly says: string
}

/** What could stand where somebody types. */
export type Wanted =
  | { readonly wants: 'these'; readonly candidates: readonly Candidate[] }
  /** Whoever can look there has to say. `before` stands before the value in the same word, such as `--at=`. */
  | { readonly wants: What; readonly before: string; readonly value: string; readonly given: Given }

/** What stands on the line before. */
export interface Given {
  readonly entry: Entry
  readonly args: readonly string[]
  readonly options: ReadonlyMap<string, readonly string[]>
  /** Name of the argument that is wanted, or of the option. */
  readonly name: string
  readonly command: AnyCommand
}

/** What fits the last word, which may be empty, behind the others. Asks no backend. */
export async function wantedAt(words: readonly string[], registry: readonly Entry[]): Promise<Wanted> {
  const current = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  const entry = entryOf(before, registry)
  if (entry === undefined) return these(commandNames(before, registry), current)
  const rest = before.slice(entry.name.split(' ').length)
  const command = await entry.load()
  const specs: Readonly<Record<string, OptionSpec>> = { ...command.options, ...globalSpecs }
  const line = readLine(rest, specs)
  const given = { entry, command, args: line.args, options: line.options }
  if (line.awaits !== undefined) return wantedValue(specs[line.awaits], '', current, { ...given, name: line.awaits })
  const inline = line.onlyArgs ? null : /^--([^=]+)=(.*)$/s.exec(current)
  if (inline !== null) {
    const [, name = '', value = ''] = inline
    return wantedValue(specs[name], `--${name}=`, value, { ...given, name })
  }
  if (current.startsWith('-') && !line.onlyArgs) return these(optionNames(specs, line.options), current)
  const names = Object.keys(command.args)
  const last = names.at(-1)
  const isMany = last !== undefined && command.args[last]?.many === true
  const name = names[line.args.length] ?? (isMany ? last : undefined)
  return name === undefined ? these([], '') : wantedValue(command.args[name], '', current, { ...given, name })
}

function entryOf(words: readonly string[], registry: readonly Entry[]): Entry | undefined {
  const [first, second] = words
  return registry.find(({ name }) => name === first) ?? registry.find(({ name }) => name === `${first} ${second}`)
}

function commandNames(before: readonly string[], registry: readonly Entry[]): Candidate[] {
  const within = before.join(' ')
  if (before.length > 1) return []
  const names = new Map<string, string>()
  for (const { name, says } of registry) {
    const [first = '', second] = name.split(' ')
    if (within === '') names.set(first, second === undefined ? says : `${first} …`)
    else if (first === within && second !== undefined) names.set(second, says)
  }
  const own = within === '' ? [helpCandidate, { value: '--version', says: 'print the version' }] : []
  return [...[...names].map(([value, says]) => ({ value, says })), ...own]
}

const helpCandidate = { value: '--help', says: 'print how it is used' }

const optionNames = (specs: Readonly<Record<string, OptionSpec>>, used: Given['options']): Candidate[] => [
  ...Object.entries(specs)
    .filter(([name, { many }]) => many === true || !used.has(name))
    .map(([name, { says }]) => ({ value: `--${name}`, says })),
  helpCandidate,
]

interface Line {
  readonly args: string[]
  readonly options: Map<string, string[]>
  /** The option whose value comes next. */
  readonly awaits: string | undefined
  /** Behind `--`. */
  readonly onlyArgs: boolean
}

function readLine(words: readonly string[], specs: Readonly<Record<string, OptionSpec>>): Line {
  const args: string[] = []
  const options = new Map<string, string[]>()
  let awaits: string | undefined
  let onlyArgs = false
  for (const word of words) {
    const [, long, inline] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? []
    const short = Object.entries(specs).find(([, spec]) => spec.short !== undefined && word === `-${spec.short}`)?.[0]
    const name = onlyArgs ? undefined : (long ?? short)
    if (awaits !== undefined) {
      options.set(awaits, [...(options.get(awaits) ?? []), word])
      awaits = undefined
    } else if (word === '--' && !onlyArgs) {
      onlyArgs = true
    } else if (name === undefined) {
      args.push(word)
    } else {
      options.set(name, [...(options.get(name) ?? []), ...(inline === undefined ? [] : [inline])])
      if (inline === undefined && specs[name]?.value !== undefined) awaits = name
    }
  }
  return { args, options, awaits, onlyArgs }
}

function wantedValue(
  spec: Pick<OptionSpec, 'oneOf' | 'what' | 'says'> | undefined,
  before: string,
  value: string,
  given: Given,
): Wanted {
  if (spec?.oneOf !== undefined) {
    return these(
      spec.oneOf.map((one) => ({ value: before + one, says: '' })),
      before + value,
    )
  }
  return spec?.what === undefined ? these([], '') : { wants: spec.what, before, value, given }
}

const these = (candidates: readonly Candidate[], current: string): Wanted => ({
  wants: 'these',
  candidates: candidates.filter(({ value }) => value.startsWith(current)),
})
