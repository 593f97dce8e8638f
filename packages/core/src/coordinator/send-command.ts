import { closesRun, type LogHead, readCommit } from '../log/commit-record.js'
import type { Adapter } from '../ports/adapter.js'
import type { Runtime } from '../ports/runtime.js'
import { type CommandInput, commandSchema } from '../protocol/commands.js'
import { RepriseError } from '../protocol/errors.js'
import type { Cause, RunEvent } from '../protocol/events.js'
import { type RunId, runIdSchema } from '../protocol/ids.js'
import { exceedsBytes } from '../protocol/json.js'
import { limits } from '../protocol/limits.js'
import { systemRuntime } from '../runtime/system-runtime.js'
import { commandSender } from './command-sender.js'

export interface SendCommandOptions {
  readonly adapter: Adapter
  readonly runId: string
  readonly command: CommandInput
  /** What the sender was shown: the command is refused, with `STALE_CONTEXT`, if what it depends on has changed since: see `changesSince`. */
  readonly token?: string
  readonly runtime?: Runtime
}

const runClosed = (runId: RunId): RepriseError =>
  new RepriseError('RUN_CLOSED', `Run ${runId} has ended and takes no more commands. Open a new run.`, {
    details: { runId },
  })

/** What the log says became of a command. */
export interface CommandAnswer {
  /** `false`: the last event is `command-refused`; it is the only one, unless a crash cut the decision short. */
  readonly ok: boolean
  /** All of them: a large decision stands in several commits. */
  readonly events: readonly RunEvent[]
  /** Version of the run with these events. */
  readonly version: number
}

/** A command on its way: durable in the inbox, decided by whoever holds the run, now or later. */
export interface SentCommand {
  /** What the events that answer it name as their cause. */
  readonly cause: Cause
  /**
   * Follows the log until it answers. Rejects with `TIMEOUT` (default 30 s), `ABORTED`, or `CLOSED` if the adapter is
   * closed meanwhile: the command may still be decided.
   */
  answer(options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<CommandAnswer>
}

/**
 * Sends a command to a run that this process does not hold. Resolves once it cannot get lost. Commands that a process
 * sends through one adapter object arrive in the order of the calls.
 */
export async function sendCommand(options: SendCommandOptions): Promise<SentCommand> {
  const { adapter, runtime = systemRuntime } = options
  const runId = runIdSchema.safeParse(options.runId)
  if (!runId.success)
    throw new RepriseError('INVALID_ID', `${options.runId} is not a run id: ${runId.error.issues[0]?.message}.`)
  const parsed = commandSchema.safeParse(options.command)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new RepriseError(
      'INVALID_INPUT',
      `The command is invalid at ${issue?.path.join('.') || 'its top'}: ${issue?.message}. Nothing was sent.`,
    )
  }
  const { token } = options
  const body = JSON.stringify(token === undefined ? options.command : { ...options.command, token })
  if (exceedsBytes(body, limits.messageBytesMax)) {
    throw new RepriseError(
      'TOO_LARGE',
      `The command exceeds ${limits.messageBytesMax} bytes. Send its tasks in several commands.`,
    )
  }
  const looking = headOfOpen(adapter, runId.data)
  // Told below, perhaps only after commands that are sent before this one.
  looking.catch(() => {})
  const cause = await commandSender(adapter, runId.data, runtime).send(body, looking)
  const head = await looking
  return {
    cause,
    answer: async ({ timeoutMs = 30_000, signal } = {}) => {
      const over = new AbortController()
      const stop = () => over.abort()
      signal?.addEventListener('abort', stop, { once: true })
      if (signal?.aborted) stop()
      let expired = false
      void runtime.sleep(timeoutMs, over.signal).then(() => {
        expired = !over.signal.aborted
        stop()
      })
      const answers: RunEvent[] = []
      try {
        for await (const lines of adapter.log.watch(runId.data, head.index + 1, over.signal)) {
          for (const line of lines) {
            const { events, version } = readCommit(line, head.index + 1)
            for (const event of events) if (isCausedBy(event, cause)) answers.push(event)
            const last = answers.at(-1)
            if (last !== undefined && last.cause?.more !== true) {
              return { ok: last.type !== 'command-refused', events: answers, version }
            }
            if (closesRun(line)) throw runClosed(runId.data)
          }
        }
      } finally {
        over.abort()
        signal?.removeEventListener('abort', stop)
      }
      const [code, when] = signal?.aborted
        ? (['ABORTED', 'when the signal aborted'] as const)
        : expired
          ? (['TIMEOUT', `within ${timeoutMs} ms`] as const)
          : (['CLOSED', 'when the adapter was closed'] as const)
      throw new RepriseError(
        code,
        `Run ${runId.data} had not answered the ${parsed.data.type} command ${when}. It stays in the inbox and is decided when a coordinator holds the run.`,
        { details: { runId: runId.data, cause } },
      )
    },
  }
}

/** Where answers can begin. */
async function headOfOpen(adapter: Adapter, runId: RunId): Promise<LogHead> {
  const head = await adapter.log.head(runId)
  if (head === null) {
    throw new RepriseError('RUN_UNKNOWN', `There is no run ${runId} to send a command to. Open it first.`)
  }
  for await (const lines of adapter.log.read(runId, head.index)) if (lines.some(closesRun)) throw runClosed(runId)
  return head
}

const isCausedBy = ({ cause }: RunEvent, { sender, seq }: Cause): boolean =>
  cause?.sender === sender && cause.seq === seq
