import type { Offer, RunId, TaskId } from '@reprise/core/adapter'
import { checkedLine, escapeNewlines, unescapeNewlines } from './checked-line.js'

/** First byte of the payload of a line in an offers file: what the line is. */
export const offerMark = {
  offer: 'o'.charCodeAt(0),
  /** An offer whose body has newlines, escaped. */
  escaped: 'e'.charCodeAt(0),
  withdraw: 'w'.charCodeAt(0),
  seal: 'z'.charCodeAt(0),
} as const

const tab = 0x09

/** Names an attempt in memory: neither a run id nor a number has a slash. */
export const attemptKey = (runId: string, taskId: string, attempt: number): string => `${runId}/${attempt}/${taskId}`

/**
 * `o[run,task,attempt,digest]<tab>body`. The body stands apart so that nobody has to parse it to learn what is
 * offered; JSON has no raw tab, so the first one ends the head.
 */
export function offerLine({ runId, taskId, attempt, digest, body }: Offer): string {
  const head = JSON.stringify([runId, taskId, attempt, digest])
  return body.includes('\n') ? checkedLine(`e${head}\t`, escapeNewlines(body)) : checkedLine(`o${head}\t`, body)
}

/** The attempt that the payload of an offer line offers, without looking at its body. */
export function offeredKey(bytes: Buffer, start: number, end: number): string {
  const [runId, taskId, attempt] = readHead(bytes, start, bytes.indexOf(tab, start), end)
  return attemptKey(runId, taskId, attempt)
}

export function readOffer(bytes: Buffer, start: number, end: number, lane: string): Offer {
  const headEnd = bytes.indexOf(tab, start)
  const [runId, taskId, attempt, digest] = readHead(bytes, start, headEnd, end)
  const text = bytes.toString('utf8', headEnd + 1, end)
  const body = bytes[start] === offerMark.escaped ? unescapeNewlines(text) : text
  return { runId, taskId, attempt, lane, digest, body }
}

function readHead(bytes: Buffer, start: number, headEnd: number, end: number): [RunId, TaskId, number, string] {
  return JSON.parse(bytes.toString('utf8', start + 1, headEnd === -1 ? end : headEnd))
}

/** Takes back the offers at these positions of the same file. Valid behind the seal, too. */
export const withdrawLine = (positions: readonly number[]): string => checkedLine(`w${JSON.stringify(positions)}`)

export const readWithdraw = (bytes: Buffer, start: number, end: number): number[] =>
  JSON.parse(bytes.toString('utf8', start + 1, end))

/** Offers behind it are void. */
export const sealLine = (): string => checkedLine('z')
