import type { InboxMessage, PeekedMessages } from '@reprise/core/adapter'
import { readInboxEntry } from './inbox-entry.js'
import type { RedisConnection } from './redis-connection.js'
import { asArray, asBuffer, asText, strictText } from './redis-reply.js'

/** Entries of one reply; fewer once they turn out to be large. The server does nothing else meanwhile. */
const countMax = 128
const batchBytes = 4 * 1024 * 1024

/** What the stream holds, from its start: a receiver removes what it has acknowledged. Reads only. */
export async function peekInbox(
  connection: RedisConnection,
  key: string,
  found: PeekedMessages,
): Promise<readonly InboxMessage[]> {
  const startedAt = performance.now()
  let from = '-'
  // The first reply tells how large they are. It has 3.5 MiB at most.
  let count = 8
  for (;;) {
    const wanted = Math.min(count, Math.max(found.room, 1))
    const entries = asArray(await connection.call('XRANGE', [key, from, '+', 'COUNT', wanted])).map(asArray)
    let bytes = 0
    for (const [, fields] of entries) {
      const value = asBuffer(asArray(fields)[1])
      bytes += value.length
      const text = strictText(value)
      const message = text === null ? null : readInboxEntry(text)
      if (message !== null) found.take(message)
    }
    const last = entries.at(-1)
    if (found.room === 0 || last === undefined || entries.length < wanted) return found.messages
    found.checkTime(performance.now() - startedAt)
    from = `(${asText(last[0])}`
    count = Math.max(1, Math.min(countMax, Math.floor((batchBytes * entries.length) / bytes)))
  }
}
