import { resolve } from 'node:path'
import {
  type Changes,
  type CommandInput,
  describeEvent,
  isRepriseError,
  type RepriseError,
  type RunEvent,
} from '@reprise/core'
import { type ActAnswer, type Acting, startActing } from '@reprise/core/replay'
import { z } from 'zod'
import type { Context, OptionSpec } from './command.js'
import { CommandFailure, usage } from './command-failure.js'
import { exitOfCode } from './exit-codes.js'
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
what has changed and a new token are told. Taking the run for the command makes no token stale.`

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

const changesSchema = z
  .object({
    total: z.number().describe('events since the token was issued, those of this command included'),
    newest: z.array(z.object({ version: z.number(), at: z.string(), type: z.string(), text: z.string() })),
  })
  .nullable()
  .describe('null without a token')

/** What every acting command answers. */
export const actedShape = {
  runId: z.string(),
  how: z.enum(['executed', 'sent']).describe('`executed`: the run was taken for it. `sent`: its holder decided it'),
  version: z.number().nullable().describe('of the run with what was recorded; null: sent, and not waited for'),
  events: z.array(z.object({ type: z.string(), text: z.string() })).describe('what was recorded; the newest 100'),
  eventsTotal: z.number(),
  takenUp: z
    .object({ epoch: z.number(), receipts: z.string().describe('what had come back while nobody held the run') })
    .nullable()
    .describe('null: the run was not taken'),
  cause: z
    .object({ sender: z.string(), seq: z.number() })
    .nullable()
    .describe('what the events that answer a sent command name as their cause'),
  changes: changesSchema,
  token: z.string().nullable().describe('for the next command of who has read `changes`; null without a token'),
}
export const actedSchema = z.object(actedShape)
export type Acted = z.output<typeof actedSchema>

const eventsMax = 100

/** The document of one or several answers to what was asked of one run. */
export function actedOf({ runId, takenUp }: Acting, answers: readonly ActAnswer[]): Acted {
  const events = answers.flatMap((answer) => (answer.ok ? answer.events : []))
  const last = answers.findLast(({ ok }) => ok) ?? answers.at(-1)
  const told = events.slice(-eventsMax).map((event: RunEvent) => ({ type: event.type, text: describeEvent(event) }))
  return {
    ...{ runId, how: last?.how ?? 'executed', version: last?.ok ? last.version : null },
    ...{ events: told, eventsTotal: events.length, takenUp: takenUp && { ...takenUp } },
    cause: last?.cause ? { ...last.cause } : null,
    changes: plainChanges(answers.at(-1)?.changes ?? null),
    token: answers.at(-1)?.token ?? null,
  }
}

export const plainChanges = (changes: Changes | null): Acted['changes'] =>
  changes && { total: changes.total, newest: changes.newest.map((change) => ({ ...change })) }

/** Fails with a refusal: who passed a token is told what has changed. */
export async function refused(
  context: Context,
  runId: string,
  command: CommandInput['type'],
  answer: Extract<ActAnswer, { ok: false }>,
): Promise<CommandFailure> {
  const { code, message, details, how, changes, token } = answer
  if (!context.json && changes !== null) {
    const { style, out } = context
    const lines = changes.newest.map(({ version, text }) => `  ${version}  ${style.text(text)}`)
    await out.note(
      [`Since that token, ${changes.total} events:`, ...lines, `To decide again: --token ${token}`].join('\n'),
    )
  }
  const whole = { ...details, runId, command, how, changes: plainChanges(changes), token }
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
