import { standingSince } from '../coordinator/changes-since.js'
import { type Command, type CommandInput, commandSchema } from '../protocol/commands.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import { type RunId, runIdSchema } from '../protocol/ids.js'
import { systemRuntime } from '../runtime/system-runtime.js'
import type { ActAnswer, PlainAnswer, TakenUp } from './act-answer.js'
import type { ActingOptions, ActOptions } from './act-options.js'
import { ActingByHolding } from './acting-by-holding.js'
import { ActingBySending } from './acting-by-sending.js'
import { ShownRun } from './shown-run.js'

/** Acting on a run from outside, command by command. */
export interface Acting {
  readonly runId: RunId
  /** `null`: the run was not taken up, or not yet. */
  readonly takenUp: TakenUp | null
  /** Rejects with what `openRun` or `sendCommand` reject with; nothing is lost then, and the same may be asked for again. */
  act(command: CommandInput): Promise<ActAnswer>
  /** Lets the run go if it was taken. */
  close(): Promise<void>
}

/**
 * For programs that act on a run now and then and hold none: a command line, a button. Takes the run for as long as this
 * lasts if nobody alive holds it (the same opening as any other, gates and all), or sends to who does. Nothing happens
 * before the first command. One token is for all commands; of several dispatches each follows the one before.
 */
export function startActing(options: ActOptions): Acting {
  const runId = runIdSchema.safeParse(options.runId)
  if (!runId.success) {
    throw new RepriseError('INVALID_ID', `${options.runId} is not a run id: ${runId.error.issues[0]?.message}.`)
  }
  const { how = 'either', wait = true, timeoutMs = 30_000, runtime = systemRuntime } = options
  return new EitherWay({ ...options, runId: runId.data, how, wait, timeoutMs, runtime })
}

/** One command on its own: as `startActing`, and lets the run go. */
export async function actOnRun(options: ActOptions & { readonly command: CommandInput }): Promise<ActAnswer> {
  const { command, ...rest } = options
  const acting = startActing(rest)
  try {
    return await acting.act(command)
  } finally {
    await acting.close()
  }
}

class EitherWay implements Acting {
  readonly #options: ActingOptions
  readonly #shown: ShownRun | null
  readonly #holding: ActingByHolding
  readonly #sending: ActingBySending
  /** `null`: not known yet. */
  #sends: boolean | null
  /** After a dispatch: for the next one. */
  #follows: string | null = null

  constructor(options: ActingOptions) {
    const { token } = options
    this.#options = options
    this.#shown = token === undefined ? null : new ShownRun({ ...options, token })
    this.#holding = new ActingByHolding(options, this.#shown)
    this.#sending = new ActingBySending(options)
    this.#sends = options.how === 'send' ? true : null
  }

  get runId(): RunId {
    return this.#options.runId
  }

  get takenUp(): TakenUp | null {
    return this.#holding.takenUp
  }

  async act(input: CommandInput): Promise<ActAnswer> {
    const { adapter, runId, token } = this.#options
    const answer = await this.#decide(input, this.#parse(input))
    if (token === undefined || (answer.ok && answer.version === null)) return { ...answer, token: null, changes: null }
    if (answer.ok && input.type === 'dispatch') await this.#follow(answer)
    try {
      const { changes, token: fresh } = await standingSince(adapter.log, runId, token)
      return { ...answer, changes, token: fresh }
    } catch (error) {
      if (!isRepriseError(error)) throw error
      // What was decided stands even if the log cannot be read.
      return { ...answer, changes: null, token }
    }
  }

  close(): Promise<void> {
    return this.#holding.close()
  }

  /** The next dispatch is not stale by this one. Not of the newest version: nobody has read what came behind it. */
  async #follow({ how, version }: Extract<PlainAnswer, { ok: true }>): Promise<void> {
    if (version === null || this.#shown === null) return
    this.#follows = await this.#shown.tokenBehind(version, how === 'executed' ? (this.takenUp?.epoch ?? null) : null)
  }

  #parse(input: CommandInput): Command {
    const parsed = commandSchema.safeParse(input)
    if (parsed.success) return parsed.data
    const { runId } = this.#options
    const [issue] = parsed.error.issues
    throw new RepriseError(
      'INVALID_INPUT',
      `The command ${input?.type} for run ${runId} is invalid at ${issue?.path.join('.') || 'its top'}: ${issue?.message}. Nothing was recorded.`,
      { details: { runId, path: issue?.path.map(String) } },
    )
  }

  async #decide(input: CommandInput, command: Command): Promise<PlainAnswer> {
    const refusal = (await this.#shown?.refuses(command)) ?? null
    const how = this.#sends === true ? 'sent' : 'executed'
    if (refusal !== null) return { ok: false, how, cause: null, ...refusal, details: refusal.details ?? {} }
    this.#sends ??= !(await this.#holding.take())
    const way = this.#sends ? this.#sending : this.#holding
    return way.act(input, command.type === 'dispatch' ? this.#follows : null)
  }
}
