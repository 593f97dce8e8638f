import { type InboxMessage, isBodyTooLarge } from '@reprise/core/adapter'
import { checkedLine, escapeNewlines, unescapeNewlines } from './checked-line.js'
import { decodeName, encodeName } from './file-names.js'

const tab = 0x09
/** First character of a payload. Capitals: the body has newlines, escaped. */
const marks = { receipt: 'r', command: 'c' } as const
const kinds: Readonly<Record<string, InboxMessage['kind']>> = {
  r: 'receipt',
  R: 'receipt',
  c: 'command',
  C: 'command',
}
const seqForm = /^[1-9]\d{0,14}$/

/** How a sender is named in its lines: not at all, unless it is too long for the name of its file to tell it. */
export const namedInLine = (sender: string): string =>
  decodeName(encodeName(sender)) === null ? JSON.stringify(sender) : ''

/** `r17<tab><sender><tab>body`, the sender as `namedInLine` has it. */
export function inboxLine({ seq, kind, body }: InboxMessage, named: string): string {
  return body.includes('\n')
    ? checkedLine(`${marks[kind].toUpperCase()}${seq}\t${named}\t`, escapeNewlines(body))
    : checkedLine(`${marks[kind]}${seq}\t${named}\t`, body)
}

/**
 * What an intact line says in the file of `name`, which is `sender` unless that is `null`; or `null` if it is not of
 * the right form. Written by others: nothing in it is believed.
 */
export function readInboxLine(
  bytes: Buffer,
  start: number,
  end: number,
  name: string,
  sender: string | null,
): InboxMessage | null {
  const mark = String.fromCharCode(bytes[start] ?? 0)
  const kind = Object.hasOwn(kinds, mark) ? kinds[mark] : undefined
  const seqEnd = bytes.indexOf(tab, start)
  const namedEnd = bytes.indexOf(tab, seqEnd + 1)
  if (kind === undefined || seqEnd === -1 || namedEnd === -1 || namedEnd >= end) return null
  const seq = bytes.toString('latin1', start + 1, seqEnd)
  if (!seqForm.test(seq)) return null
  const from = sender ?? namedSender(bytes.toString('utf8', seqEnd + 1, namedEnd), name)
  if (from === null) return null
  const text = bytes.toString('utf8', namedEnd + 1, end)
  const body = mark === marks[kind] ? text : unescapeNewlines(text)
  return isBodyTooLarge(body) ? null : { sender: from, seq: Number(seq), kind, body }
}

function namedSender(json: string, name: string): string | null {
  try {
    const sender: unknown = JSON.parse(json)
    return typeof sender === 'string' && encodeName(sender) === name ? sender : null
  } catch {
    return null
  }
}
