import { type InboxMessage, isBodyTooLarge } from '@reprise/core/adapter'

const marks = { receipt: 'r', command: 'c' } as const
const kinds: Readonly<Record<string, InboxMessage['kind']>> = { r: 'receipt', c: 'command' }
// Mark and seq, the length of the sender in UTF-16 units, then the sender and the body.
const headForm = /^([rc])([1-9]\d{0,14}) (0|[1-9]\d{0,5}) /

/** One value per message, since every further field of an entry costs as much as the body to read. */
export const inboxEntry = ({ sender, seq, kind, body }: InboxMessage): string =>
  `${marks[kind]}${seq} ${sender.length} ${sender}${body}`

/** `null` if that is no message: written by others, so nothing in it is believed. */
export function readInboxEntry(text: string): InboxMessage | null {
  const head = headForm.exec(text)
  const kind = kinds[head?.[1] ?? '']
  if (head === null || kind === undefined) return null
  const bodyStart = head[0].length + Number(head[3])
  if (bodyStart > text.length) return null
  const body = text.slice(bodyStart)
  if (isBodyTooLarge(body)) return null
  return { sender: text.slice(head[0].length, bodyStart), seq: Number(head[2]), kind, body }
}
