import type { Readable } from 'node:stream'
import type { Adapter } from '@reprise/core'
import type { z } from 'zod'
import type { ExitName } from './exit-codes.js'
import type { Output } from './output/output.js'
import type { Style } from './output/style.js'

/** What a value is, for completions. */
export type What = 'run' | 'task' | 'file' | 'folder' | 'url'

export interface ArgumentSpec {
  readonly says: string
  readonly optional?: true
  /** Takes all that follow; only the last one may. */
  readonly many?: true
  /** What it may be. */
  readonly oneOf?: readonly string[]
  readonly what?: What
}

export interface OptionSpec {
  readonly says: string
  /** Name of its value, in capitals. Without one it is a switch. */
  readonly value?: string
  /** May be given several times. */
  readonly many?: true
  readonly short?: string
  /** What the value may be. */
  readonly oneOf?: readonly string[]
  readonly what?: What
}

type Specs<T> = Readonly<Record<string, T>>

export type ArgumentsOf<A extends Specs<ArgumentSpec>> = {
  readonly [K in keyof A]: A[K] extends { many: true }
    ? readonly string[]
    : A[K] extends { optional: true }
      ? string | undefined
      : string
}
export type OptionsOf<O extends Specs<OptionSpec>> = {
  readonly [K in keyof O]: O[K] extends { many: true }
    ? readonly string[]
    : O[K] extends { value: string }
      ? string | undefined
      : boolean
}

export interface OpenAtOptions {
  /**
   * `read` (default): what is not there is `NOT_FOUND`, and nothing is made. `write`: it must be there too. `create`: it is
   * made if it is not there.
   */
  readonly to?: 'read' | 'write' | 'create'
}

/** What a command works with. */
export interface Context {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: Readable
  readonly out: Output
  readonly style: Style
  /** Whether `--json` was given. */
  readonly json: boolean
  /** Aborts on Ctrl-C, SIGTERM, SIGHUP, and when nobody reads the output any more. */
  readonly signal: AbortSignal
  /** The backend that `--at` and `--with` name. The same object every time; closed behind the command. */
  open(options?: OpenAtOptions): Promise<Adapter>
  /** Another backend, by its address; closed behind the command. */
  openAt(address: string, options?: OpenAtOptions): Promise<Adapter>
  /** `--at` and `--with` as other processes need them, secrets included: for environments only, never shown. */
  readonly addresses: { readonly at: string; readonly with: readonly string[] }
  /** How the backend of `--at` is called in messages, without secrets. */
  readonly place: string
  /** What the process ends with if nothing fails. Default: ok. */
  exitWith(exit: ExitName): void
}

export interface Input<A extends Specs<ArgumentSpec>, O extends Specs<OptionSpec>> {
  readonly args: ArgumentsOf<A>
  readonly options: OptionsOf<O>
}

interface Definition<A extends Specs<ArgumentSpec>, O extends Specs<OptionSpec>> {
  /** In the order in which they are given. */
  readonly args: A
  readonly options: O
  /** A paragraph or more, for `--help` and docs/cli.md: what it does, what it leaves alone, what it costs. */
  readonly details: string
  /** At least one. Without the word `reprise` in front: it is put there. */
  readonly examples: readonly { readonly line: string; readonly says: string }[]
}

/** One JSON document, or the text that a person reads instead. */
export interface DocumentCommand<A extends Specs<ArgumentSpec>, O extends Specs<OptionSpec>, T>
  extends Definition<A, O> {
  readonly output: 'document'
  readonly schema: z.ZodType<T>
  run(context: Context, input: Input<A, O>): Promise<T>
  human(value: T, style: Style, input: Input<A, O>): string
}

/** A JSON document per line, as they come. `human` may return null: then there is no line. */
export interface LinesCommand<A extends Specs<ArgumentSpec>, O extends Specs<OptionSpec>, T> extends Definition<A, O> {
  readonly output: 'lines'
  readonly schema: z.ZodType<T>
  run(context: Context, input: Input<A, O>): AsyncIterable<T>
  human(value: T, style: Style, input: Input<A, O>): string | null
}

/** A file format on standard output; with `--json`, and where it says so, a document about it instead. */
export interface RawCommand<A extends Specs<ArgumentSpec>, O extends Specs<OptionSpec>, T> extends Definition<A, O> {
  readonly output: 'raw'
  readonly schema: z.ZodType<T>
  /** Writes to `context.out.raw`. What it returns is written with `--json`, and told by `human` on standard error. */
  run(context: Context, input: Input<A, O>): Promise<T>
  human(value: T, style: Style): string
}

export type Command<A extends Specs<ArgumentSpec>, O extends Specs<OptionSpec>, T> =
  | DocumentCommand<A, O, T>
  | LinesCommand<A, O, T>
  | RawCommand<A, O, T>

/** A command whose types nobody needs any more: they were checked where it is defined. */
export type AnyCommand = {
  [K in 'document' | 'lines' | 'raw']: Definition<Specs<ArgumentSpec>, Specs<OptionSpec>> & {
    readonly output: K
    readonly schema: z.ZodType
    run(context: Context, input: AnyInput): K extends 'lines' ? AsyncIterable<unknown> : Promise<unknown>
    human(value: unknown, style: Style, input: AnyInput): K extends 'lines' ? string | null : string
  }
}['document' | 'lines' | 'raw']

/** What was given, by name. */
export interface AnyInput {
  readonly args: Readonly<Record<string, unknown>>
  readonly options: Readonly<Record<string, unknown>>
}

/** Infers the types of a command's arguments and options from their specifications. */
export const defineCommand = <const A extends Specs<ArgumentSpec>, const O extends Specs<OptionSpec>, T>(
  command: Command<A, O, T>,
): AnyCommand => command as AnyCommand
