import { canonicalJson, exceedsBytes } from '../protocol/json.js'
import { limits } from '../protocol/limits.js'
import type { Artifact, ReceiptStatus } from '../protocol/receipt.js'
import { sha256 } from '../protocol/sha256.js'
import type { Dispatch } from '../protocol/task.js'
import { isoTime } from '../protocol/time.js'
import { type AttemptResult, endedBy } from './attempt-result.js'
import type { SpawnRequest, Spent } from './open-attempt.js'
import type { ReceiptSigner } from './sign-receipt.js'

/** What all receipts of a worker have in common. */
export interface ReceiptAuthor {
  readonly workerId: string
  /** RFC 8785 text of the receipts' `worker`. */
  readonly workerText: string
  /** Unique for ever: 8 to 64 of `A-Za-z0-9-`. */
  nextReceiptId(): string
  readonly sign: ReceiptSigner | undefined
}

/** What is known of an attempt when it has ended. */
export interface ReceiptFacts {
  readonly dispatch: Dispatch
  /** The dispatch digest. */
  readonly digest: string
  readonly result: AttemptResult
  readonly artifacts: readonly Artifact[]
  readonly spawnRequests: readonly SpawnRequest[]
  readonly spent: Spent
  readonly startedMs: number
  readonly finishedMs: number
}

/**
 * The text of a receipt that keeps to the limits of the format: one that would not becomes a failed one with the
 * code `TOO_LARGE`, which another attempt does not mend.
 */
export function buildReceipt(facts: ReceiptFacts, author: ReceiptAuthor): { body: string; status: ReceiptStatus } {
  const { status, output } = facts.result
  const outputText = canonicalJson(output)
  if (exceedsBytes(outputText, limits.outputBytesMax)) {
    return tooLarge(facts, author, `the output exceeds ${limits.outputBytesMax} bytes; put it into an artifact`)
  }
  const body = sealReceipt(facts, outputText, author)
  if (exceedsBytes(body, limits.receiptBytesMax)) {
    return tooLarge(facts, author, `the receipt exceeds ${limits.receiptBytesMax} bytes; spawn fewer or smaller tasks`)
  }
  return { body, status }
}

function tooLarge(facts: ReceiptFacts, author: ReceiptAuthor, why: string): { body: string; status: ReceiptStatus } {
  const result = endedBy('failed', 'TOO_LARGE', why, false)
  return { body: sealReceipt({ ...facts, result, artifacts: [], spawnRequests: [] }, 'null', author), status: 'failed' }
}

/**
 * Writes the RFC 8785 text directly, with the members in their sorted order, hashes it and puts the checksum and
 * signature behind: so the output is serialized once, for its size, the checksum and the wire.
 */
function sealReceipt(facts: ReceiptFacts, outputText: string, author: ReceiptAuthor): string {
  const { dispatch, digest, result, artifacts, spawnRequests, spent, startedMs, finishedMs } = facts
  // The clock may step back; a duration cannot be negative.
  const usage = { ...spent, durationMs: Math.max(0, finishedMs - startedMs) }
  const content =
    `{"artifacts":${artifacts.length === 0 ? '[]' : canonicalJson(artifacts)},"attempt":${dispatch.attempt},` +
    `"dispatchDigest":"${digest}","epoch":${dispatch.epoch},` +
    (result.error === undefined ? '' : `"error":${canonicalJson(result.error)},`) +
    `"finishedAt":"${isoTime(finishedMs)}","output":${outputText},"receiptId":"${author.nextReceiptId()}",` +
    `"runId":${JSON.stringify(dispatch.runId)},` +
    (spawnRequests.length === 0 ? '' : `"spawnRequests":${canonicalJson(spawnRequests)},`) +
    `"startedAt":"${isoTime(startedMs)}","status":"${result.status}","taskId":${JSON.stringify(dispatch.taskId)},` +
    `"usage":${canonicalJson(usage)},"v":1,"worker":${author.workerText}}`
  const checksum = sha256(content)
  const signature = author.sign === undefined ? '' : `,"signature":${canonicalJson(author.sign(checksum))}`
  return `${content.slice(0, -1)},"checksum":"${checksum}"${signature}}`
}
