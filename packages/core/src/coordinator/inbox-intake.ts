import type { JudgedReceipt } from '../flow/decide-receipts.js'
import type { ContextBasis, Decision, Refusal } from '../flow/decision.js'
import {
  firstFailingGate,
  type IncomingReceipt,
  noEvidence,
  type ReceiptEvidence,
  readReceipt,
} from '../flow/receipt-gates.js'
import { isDecided } from '../flow/senders.js'
import type { ArtifactStore } from '../ports/artifact-store.js'
import type { InboxMessage } from '../ports/inbox.js'
import type { Runtime } from '../ports/runtime.js'
import { asksFor, type Command, commandSchema } from '../protocol/commands.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { Cause } from '../protocol/events.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { answered } from './answered.js'
import type { CommitPipeline, SubmitOptions } from './commit-pipeline.js'
import { readToken } from './context-token.js'

/** Slower than any disk that is still of use: 1 MB/s. */
const slowestBytesPerMs = 1000

/** Says what is wrong with an output by its kind's schema, or `null`. */
export type OutputCheck = (kind: string, output: unknown) => string | null

export interface IntakeOptions {
  readonly pipeline: CommitPipeline
  /** Decides a command from outside. */
  readonly command: (command: Command, options: SubmitOptions) => Promise<Decision>
  readonly artifacts: ArtifactStore | undefined
  readonly runtime: Runtime
  readonly outputProblem: OutputCheck
  /** Tasks whose receipts are here and not decided yet: filled and emptied by `takeIn`. */
  readonly judging: Set<TaskId>
  /** Settles when every resume gate has passed: commands are not looked at before. */
  readonly resumed: Promise<void>
  /** So many more receipts are recorded; `done`: all that were there at the start, as far as no command stands before them. */
  readonly onReceiptsRecorded: (count: number, done: boolean) => void
}

/**
 * Turns inbox messages into commands. Receipts first, in one decision; then commands from outside, each answered in
 * the log. Resolves when everything is durable, which is when the transport may forget the messages.
 */
export async function takeIn(
  messages: readonly InboxMessage[],
  caughtUp: boolean,
  options: IntakeOptions,
): Promise<void> {
  const { pipeline } = options
  const fresh = withoutRepeats(messages).filter((message) => !isDecided(pipeline.state, message))
  const receipts = fresh.filter((message) => message.kind === 'receipt')
  const commands = fresh.filter((message) => message.kind === 'command')
  if (receipts.length > 0) await record(receipts, options)
  if (caughtUp) pipeline.caughtUp()
  // Commands wait for the gates, and what stands behind them waits with them.
  options.onReceiptsRecorded(receipts.length, caughtUp || commands.length > 0)
  if (commands.length === 0) return pipeline.drained()
  await options.resumed
  const answers: Promise<void>[] = []
  for (const { sender, seq, body } of commands) {
    const asked = readCommand(body, pipeline)
    answers.push(obey(asked, { sender, seq }, options))
    // It waits for the state file first: what was asked for behind it must not be decided before it.
    if ('command' in asked && asksFor(asked.command, ['complete'])) await Promise.all(answers)
  }
  await Promise.all(answers)
}

/** A transport may hand over the same message twice at once: a send whose answer was lost is sent again. */
function withoutRepeats(messages: readonly InboxMessage[]): InboxMessage[] {
  return [...new Map(messages.map((message) => [`${message.seq} ${message.sender}`, message])).values()]
}

async function record(messages: readonly InboxMessage[], options: IntakeOptions): Promise<void> {
  const { pipeline, judging } = options
  const { state } = pipeline
  const read = messages.map(({ sender, seq, body }) => {
    const incoming = readReceipt(body)
    // Nothing is read from disk for a receipt that is refused anyway.
    const refused = firstFailingGate(state, incoming, noEvidence, 'signature') !== null
    if (!refused && incoming.receipt !== null) judging.add(incoming.receipt.taskId)
    return { cause: { sender, seq }, incoming, refused }
  })
  const receipts: JudgedReceipt[] = []
  for (const { cause, incoming, refused } of read) {
    const evidence = refused ? noEvidence : await gatherEvidence(incoming, state, options)
    receipts.push({ cause, incoming, evidence })
  }
  mustBeDecided(await pipeline.submit({ type: 'record-receipts', receipts }))
  // Only now: what could not be read is handed over again, and must not expire until then.
  for (const { incoming } of read) if (incoming.receipt !== null) judging.delete(incoming.receipt.taskId)
}

/** A refusal that is not in the log must not pass for one: the transport keeps the message for whoever holds the run. */
function mustBeDecided(decision: Decision): void {
  // Nobody will ever decide it.
  if (decision.ok || decision.refusal.code === 'RUN_CLOSED') return
  throw new RepriseError(decision.refusal.code, decision.refusal.message, decision.refusal)
}

function gatherEvidence(
  { receipt }: IncomingReceipt,
  state: RunState,
  { artifacts, outputProblem, runtime }: IntakeOptions,
): ReceiptEvidence | Promise<ReceiptEvidence> {
  if (receipt === null) return noEvidence
  const kind = state.tasks.get(receipt.taskId)?.spec.kind ?? ''
  const judgesOutput = receipt.status === 'completed' || receipt.status === 'partial'
  const problem = judgesOutput ? check(outputProblem, kind, receipt.output) : null
  if (receipt.artifacts.length === 0 || artifacts === undefined) return { artifacts: null, outputProblem: problem }
  const bytesMax = state.policy?.artifactBytesMax ?? 0
  return (async () => {
    const checks = []
    // One after the other: a receipt must not open 64 files at once.
    for (const artifact of receipt.artifacts) {
      const what = `Reading artifact ${artifact.name} of task ${receipt.taskId}`
      // What the worker claims is not checked yet; nobody reads more than the limit.
      const readMs = Math.min(artifact.bytes, bytesMax) / slowestBytesPerMs
      checks.push(await answered(artifacts.check(artifact, bytesMax), what, runtime, readMs))
    }
    return { artifacts: checks, outputProblem: problem }
  })()
}

/** A schema that throws would have the message handed over again for ever. */
function check(outputProblem: OutputCheck, kind: string, output: unknown): string | null {
  try {
    return outputProblem(kind, output)
  } catch (error) {
    return `the output schema of ${kind} threw: ${error instanceof Error ? error.message : String(error)}`
  }
}

async function obey(asked: Asked, cause: Cause, options: IntakeOptions): Promise<void> {
  const { pipeline } = options
  if ('refusal' in asked) return refuseOnRecord(asked.name, asked.refusal, cause, pipeline)
  const { command, basis } = asked
  const decision = await options.command(command, { cause, ...(basis && { basis }) })
  if (decision.ok && decision.events.length > 0) return
  const refusal = decision.ok
    ? { code: 'NO_CHANGE' as const, message: 'Everything that the command asks for is in the log already.' }
    : decision.refusal
  await refuseOnRecord(command.type, refusal, cause, pipeline)
}

async function refuseOnRecord(
  command: string,
  refusal: Refusal,
  cause: Cause,
  pipeline: CommitPipeline,
): Promise<void> {
  mustBeDecided(await pipeline.submit({ type: 'refuse-command', command, refusal }, { cause }))
}

type Asked =
  | { readonly command: Command; readonly basis?: ContextBasis }
  | { readonly name: string; readonly refusal: Refusal }

/** A command as it came, with the context token that may stand beside its fields. */
function readCommand(body: string, { state, position }: CommitPipeline): Asked {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch (error) {
    return invalid('unreadable', `The command is not JSON: ${(error as Error).message}`)
  }
  const { token, ...fields } = (typeof value === 'object' && value !== null ? value : { type: value }) as {
    token?: unknown
    type?: unknown
  }
  const parsed = commandSchema.safeParse(fields)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const name = fields.type === undefined ? 'unknown' : String(fields.type).slice(0, 64)
    return invalid(name, `The command is invalid at ${issue?.path.join('.') || 'its top'}: ${issue?.message}`)
  }
  if (token === undefined) return { command: parsed.data }
  try {
    const { runId, version, epoch, lock } = state
    const log = { version, epoch, holder: lock?.holder.id ?? null }
    return { command: parsed.data, basis: readToken(runId as RunId, String(token), position.first ?? '', log) }
  } catch (error) {
    if (!isRepriseError(error)) throw error
    return { name: parsed.data.type, refusal: { code: error.code, message: error.message } }
  }
}

const invalid = (name: string, message: string): Asked => ({ name, refusal: { code: 'INVALID_INPUT', message } })
