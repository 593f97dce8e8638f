import { createPublicKey, verify } from 'node:crypto'
import { z } from 'zod'
import type { ArtifactCheck } from '../protocol/artifact.js'
import { type ReceiptGate, receiptGates } from '../protocol/events.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import { exceedsBytes, exceedsJsonBytes } from '../protocol/json.js'
import { limits } from '../protocol/limits.js'
import { type Receipt, receiptContent, receiptSchema, signedBytes } from '../protocol/receipt.js'
import { sha256 } from '../protocol/sha256.js'
import { type OpenTask, type RunState, settledOutcome } from '../protocol/state.js'
import { policyOf } from './decision.js'

/** A receipt as it arrived, with what can be told from its text alone. */
export interface IncomingReceipt {
  readonly receipt: Receipt | null
  /** Why the text is not a receipt. */
  readonly problem: string | null
  readonly tooLarge: boolean
  /** The checksum that its content has. */
  readonly checksum: string | null
  /** The text as it came, if it is how we would write it: it can stand in the log as it is. */
  readonly text: string | null
  /** What a text that is no receipt claims to be about: for the record only. */
  readonly claims: { readonly taskId?: string; readonly attempt?: number; readonly receiptId?: string }
}

/** What the coordinator's side found out by reading: artifacts and the output schema of the task's kind. */
export interface ReceiptEvidence {
  /** In the order of the receipt; `null`: not read. */
  readonly artifacts: readonly ArtifactCheck[] | null
  /** What is wrong with the output by the kind's schema, or `null`. */
  readonly outputProblem: string | null
}

export const noEvidence: ReceiptEvidence = { artifacts: null, outputProblem: null }

const notAReceipt = { receipt: null, checksum: null, text: null }

/** Compiled at the first receipt: that takes milliseconds, which no process should pay that never sees one. */
let compiledSchema: typeof receiptSchema | undefined

/** Parses once. Never throws: what is wrong is told by the gates. */
export function readReceipt(body: string): IncomingReceipt {
  const tooLarge = exceedsBytes(body, limits.receiptBytesMax)
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch (error) {
    return { ...notAReceipt, problem: `not JSON: ${(error as Error).message}`, tooLarge, claims: {} }
  }
  compiledSchema ??= z.compile(receiptSchema)
  const parsed = compiledSchema.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const problem = `${issue?.path.join('.') || 'receipt'}: ${issue?.message ?? 'invalid'}`
    return { ...notAReceipt, problem, tooLarge, claims: claimsOf(value) }
  }
  const { data } = parsed
  const content = receiptContent(value as object)
  return {
    receipt: data,
    problem: null,
    tooLarge: tooLarge || growsTooLarge(body, data),
    checksum: sha256(content),
    text: body === `${content.slice(0, -1)},"checksum":"${data.checksum}"}` ? body : null,
    claims: data,
  }
}

/** We may write more than came: 1e20 becomes 21 digits. Never eight times as much, so most need no second look. */
const growsTooLarge = (body: string, receipt: Receipt): boolean =>
  body.length > limits.receiptBytesMax / 8 && exceedsJsonBytes(receipt, limits.receiptBytesMax)

function claimsOf(value: unknown): IncomingReceipt['claims'] {
  if (typeof value !== 'object' || value === null) return {}
  const { taskId, attempt, receiptId } = value as Record<string, unknown>
  return {
    ...(typeof taskId === 'string' && taskId.length <= 512 && { taskId }),
    ...(Number.isSafeInteger(attempt) && { attempt: attempt as number }),
    ...(typeof receiptId === 'string' && receiptId.length <= 64 && { receiptId }),
  }
}

/** What a gate looks at, once the receipt is known to be one. */
interface Subject {
  readonly state: RunState
  readonly receipt: Receipt
  readonly task: OpenTask | undefined
  readonly incoming: IncomingReceipt
  readonly evidence: ReceiptEvidence
}

/** `null`: passed. Otherwise the evidence against the receipt. */
type Gate = (subject: Subject) => string | null

const gates: Record<Exclude<ReceiptGate, 'schema'>, Gate> = {
  size: ({ incoming, receipt }) => {
    if (incoming.tooLarge) return `the receipt exceeds ${limits.receiptBytesMax} bytes`
    const outputTooLarge = exceedsJsonBytes(receipt.output, limits.outputBytesMax)
    return outputTooLarge ? `the output exceeds ${limits.outputBytesMax} bytes` : null
  },
  run: ({ state, receipt }) =>
    receipt.runId === state.runId ? null : `the receipt is for run ${receipt.runId as RunId}`,
  'known-task': ({ state, receipt, task }) =>
    task !== undefined || state.settled.has(receipt.taskId) ? null : 'the run has no such task',
  'current-attempt': ({ state, receipt, task }) => {
    if (task === undefined) return `the task was ${settledOutcome(state.settled.get(receipt.taskId) ?? 0)} before`
    if (task.attempt === 0 || task.phase === 'planned' || task.phase === 'stopped') {
      return `no attempt is out: the task is ${task.phase}${task.stopReason === null ? '' : ` (${task.stopReason})`}`
    }
    return receipt.attempt === task.attempt ? null : `attempt ${task.attempt} is the current one`
  },
  epoch: ({ state, receipt, task }) => {
    if (receipt.epoch > state.epoch) return `epoch ${receipt.epoch} is not in the log, whose epoch is ${state.epoch}`
    return receipt.epoch === task?.epoch
      ? null
      : `the attempt was dispatched in epoch ${task?.epoch}, not ${receipt.epoch}`
  },
  'dispatch-digest': ({ receipt, task }) =>
    receipt.dispatchDigest === task?.digest
      ? null
      : `the receipt answers dispatch ${receipt.dispatchDigest}, what was dispatched is ${task?.digest}`,
  'not-duplicate': ({ task }) =>
    task?.phase === 'out' ? null : `receipt ${task?.receipt?.receiptId} is recorded already`,
  checksum: ({ receipt, incoming }) =>
    receipt.checksum === incoming.checksum
      ? null
      : `the content has checksum ${incoming.checksum}, not ${receipt.checksum}`,
  signature: ({ state, receipt }) => signatureProblem(state, receipt),
  artifacts: ({ receipt, evidence }) => artifactProblem(receipt, evidence.artifacts),
  'output-schema': ({ evidence }) => evidence.outputProblem,
}

/** The first gate that a receipt does not pass, in order, or `null`. `upTo` leaves out what comes after that gate. */
export function firstFailingGate(
  state: RunState,
  incoming: IncomingReceipt,
  evidence: ReceiptEvidence,
  upTo: ReceiptGate = 'output-schema',
): { gate: ReceiptGate; evidence: string } | null {
  const { receipt } = incoming
  if (receipt === null) return { gate: 'schema', evidence: bounded(incoming.problem ?? 'not a receipt') }
  const subject: Subject = { state, receipt, task: state.tasks.get(receipt.taskId as TaskId), incoming, evidence }
  for (const gate of receiptGates) {
    const problem = gate === 'schema' ? null : gates[gate](subject)
    if (problem !== null) return { gate, evidence: bounded(problem) }
    if (gate === upTo) return null
  }
  return null
}

const bounded = (text: string): string => text.slice(0, limits.evidenceBytesMax / 4)

function signatureProblem(state: RunState, receipt: Receipt): string | null {
  const { workerKeys } = policyOf(state)
  if (workerKeys.length === 0) return null
  const { signature, checksum } = receipt
  if (signature === undefined) return 'the policy pins worker keys and the receipt is not signed'
  const key = workerKeys.find(({ keyId }) => keyId === signature.keyId)
  if (key === undefined) return `the policy does not pin key ${signature.keyId}`
  try {
    const publicKey = createPublicKey({ key: Buffer.from(key.publicKey, 'base64'), format: 'der', type: 'spki' })
    const valid = verify(null, signedBytes(key.keyId, checksum), publicKey, Buffer.from(signature.value, 'base64'))
    return valid ? null : `the signature is not one of key ${key.keyId} over this receipt`
  } catch (error) {
    return `key ${key.keyId} cannot verify: ${(error as Error).message}`
  }
}

function artifactProblem(receipt: Receipt, checks: readonly ArtifactCheck[] | null): string | null {
  if (receipt.artifacts.length === 0) return null
  if (checks === null) return 'the artifacts were not read: the adapter has no artifact store'
  for (const [i, { name, sha256, bytes }] of receipt.artifacts.entries()) {
    const check = checks[i]
    if (check === undefined) return `artifact ${name} was not read`
    if (!check.ok) return `artifact ${name}: ${check.reason}: ${check.detail}`
    const read = check.artifact
    if (read.sha256 !== sha256 || read.bytes !== bytes) {
      return `artifact ${name}: what was read has ${read.bytes} bytes and sha256 ${read.sha256}`
    }
  }
  return null
}
