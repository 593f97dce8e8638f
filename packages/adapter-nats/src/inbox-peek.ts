import type { InboxMessage, PeekedMessages } from '@reprise/core/adapter'
import { newer } from './inbox-receiver.js'
import type { NatsConnection } from './nats-connection.js'
import { unpackMessages } from './pack-messages.js'
import { getMessage, type ReadableStream } from './stored-message.js'

/**
 * What lies on the subject, from its start: a receiver purges what it has acknowledged. Read one by one: that needs no
 * consumer on the server, and no right but to read.
 */
export async function peekInbox(
  connection: NatsConnection,
  stream: ReadableStream,
  { subject, doing }: { readonly subject: string; readonly doing: string },
  found: PeekedMessages,
): Promise<readonly InboxMessage[]> {
  const startedAt = performance.now()
  for (let fromSeq = 1; ; ) {
    const stored = await getMessage(connection, stream, { firstOf: subject, fromSeq }, doing)
    const messages = stored === null ? null : unpackMessages(stored.data)
    if (stored === null) return found.messages
    if (messages === 'too-new') throw newer(doing, stored)
    for (const message of messages ?? []) if (!found.take(message)) return found.messages
    found.checkTime(performance.now() - startedAt)
    fromSeq = stored.seq + 1
  }
}
