import { resolve } from 'node:path'
import { type CommandInput, isRepriseError, type RepriseError } from '@reprise/core'
import { type ActAnswer, type Acting, startActing } from '@reprise/core/replay'
import { type Acted, actedOf, plainChanges } from './acted-document.js'
import type { Context, OptionSpec } from './command.js'
import { CommandFailure, usage } from './command-failure.js'
import { exitOfCode } from './exit-codes.js'
import { changesText } from './output/acted-text.js'
import { seconds } from './read-durations.js'
import { runIdOf, unknownRun, withoutAdvice } from './read-values.js'

/** What every acting command takes. */
export const actingOptions = {
  token: {
    says: 'refuse if what the command depends on has changed since; default: $REPRISE_TOKEN',
    value: 'TOKEN',
  },
  send: { says: 'send it to whoever holds the run, now or later; never take the run' },
  take: { says: 'take the run for it, or fail if somebody alive holds it; never send' },
  'no-wait': { says: 'if it is sent, do not wait for the answer' },
  timeout: { says: 'how long to wait for the answer (default 30)', value: 'SECONDS' },
  'state-file': { says: 'the state file of the run, to be kept right while it is held', value: 'PATH', what: 'file' },
} as const satisfies Record<string, OptionSpec>

/** How acting works, for `--help` of every acting command. */
export const actingDetails = `If nobody alive holds the run, it is taken for as long as this needs: all resume gates are passed, what came back
meanwhile is recorded, the command is decided, the run is let go. If a live coordinator holds it, the command goes to its
inbox and the answer is waited for; if that coordinator dies first, the run is taken and the command decided. Killed at any
moment, all of the command is in the log or nothing of it is.

With a token (of a briefing, or of the last command) it is refused, exit code 4, if what it depends on has changed since;
what has changed and a new token are told. Taking the run for a command
leaves its own token good; tokens that others have go stale by it, as by any new holder.`

interface Given {
  readonly token: string | undefined
  readonly send: boolean
  readonly take: boolean
  readonly 'no-wait': boolean
  readonly timeout: string | undefined
  readonly 'state-file': string | undefined
}

/** Begins to act on a run, as the options say; `work` is then called once, and the run let go behind it. */
export async function acting<T>(
  context: Context,
  run: string,
  options: Given,
  work: (acting: Acting) => Promise<T>,
): Promise<T> {
  const runId = runIdOf(run)
  const token = options.token ?? (context.env.REPRISE_TOKEN || undefined)
  if (options.send && options.take) throw usage('--send and --take exclude each other.')
  if (options['no-wait'] && options.take) throw usage('--no-wait is for what is sent, and --take never sends.')
  const timeoutMs = options.timeout === undefined ? undefined : seconds(options.timeout, '--timeout')
  const file = options['state-file']
  const adapter = await context.open({ to: 'write' })
  const begun = startActing({
    ...{ adapter, runId, wait: !options['no-wait'], signal: context.signal },
    how: options.send ? 'send' : options.take ? 'take' : 'either',
    ...(token !== undefined && { token }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(file !== undefined && { stateFile: resolve(context.cwd, file) }),
  })
  try {
    return await work(begun)
  } catch (error) {
    if (isRepriseError(error, 'RUN_UNKNOWN')) throw unknownRun(runId, context.place)
    if (isRepriseError(error, 'RUN_HELD')) throw heldBy(runId, error)
    throw error
  } finally {
    await begun.close()
  }
}

const heldBy = (runId: string, { message, code, details }: RepriseError): CommandFailure =>
  new CommandFailure(
    'unavailable',
    code,
    `${withoutAdvice(message)} Leave --take out to send it the command, or take the run over with: reprise resume ${runId} --now.`,
    details,
  )

/** Fails with a refusal: who passed a token is told what has changed. */
export async function refused(
  context: Context,
  runId: string,
  command: CommandInput['type'],
  answer: Extract<ActAnswer, { ok: false }>,
): Promise<CommandFailure> {
  const { code, message, details, how, changes, token } = answer
  const told = plainChanges(changes)
  if (!context.json && told !== null) {
    const since = `Since that token, ${changesText(told, context.style)}`
    await context.out.note(`${since}\nTo decide again: --token ${token}`)
  }
  const whole = { ...details, runId, command, how, changes: told, token }
  return new CommandFailure(exitOfCode(code), code, message, whole)
}

/** Asks for one thing. Fails if it is refused. */
export async function actOnce(context: Context, run: string, command: CommandInput, options: Given): Promise<Acted> {
  return acting(context, run, options, async (begun) => {
    const answer = await begun.act(command)
    if (answer.ok) return actedOf(begun, [answer])
    throw await refused(context, begun.runId, command.type, answer)
  })
}
