import { RepriseError } from '@reprise/core/adapter'
import { ConsumerFeed, type FeedOptions } from './consumer-feed.js'
import type { NatsConnection } from './nats-connection.js'
import type { StoredMessage } from './stored-message.js'

const batchBytesMax = 1024 * 1024
/** Without a message for so long, though there must be more: heartbeats alone are no progress. */
const silenceMaxMs = 10_000
/** Looks for the newest message, while others write. */
const looksMax = 8

type ListOptions = Omit<FeedOptions, 'from'>

/** The newest message of each subject that matches, of a stream in which all stay. One round trip, then streamed. */
export async function* lastOfEach(connection: NatsConnection, options: ListOptions): AsyncGenerator<StoredMessage> {
  const feed = await ConsumerFeed.start(connection, { ...options, from: 'last-per-subject' })
  let count = 0
  const isOver = (batch: readonly StoredMessage[]): boolean => {
    count += batch.length
    return count >= feed.pendingAtStart
  }
  yield* oncePerSubject(connection, feed, options.doing, isOver)
}

/**
 * The same for a stream that keeps one message of a subject, given how to ask for the sequence of its newest message. A
 * message that is replaced before we come to it waits behind those that were there, so it is read until there is nothing
 * newer; while others write without a pause, until that was looked for some times. How many messages are pending by what
 * the server says cannot be used: with messages that are replaced, servers 2.9 count too few. Two round trips.
 */
export async function* onlyOfEach(
  connection: NatsConnection,
  options: ListOptions,
  newestSeq: () => Promise<number>,
): AsyncGenerator<StoredMessage> {
  const [feed, newest] = await startAndLook(connection, options, newestSeq)
  let wanted = newest
  let reached = 0
  let looks = 1
  const isOver = async (batch: readonly StoredMessage[]): Promise<boolean> => {
    reached = batch.at(-1)?.seq ?? reached
    if (reached < wanted) return false
    wanted = await newestSeq()
    looks++
    return reached >= wanted || looks >= looksMax
  }
  yield* oncePerSubject(connection, feed, options.doing, isOver)
}

async function startAndLook(
  connection: NatsConnection,
  options: ListOptions,
  newestSeq: () => Promise<number>,
): Promise<[ConsumerFeed, number]> {
  const starting = ConsumerFeed.start(connection, { ...options, from: 1 })
  try {
    return await Promise.all([starting, newestSeq()])
  } catch (error) {
    // Whichever of the two has failed first: without the stream, the other one goes on trying for seconds.
    await starting.then(
      (feed) => feed.close(),
      () => {},
    )
    throw error
  }
}

/** `isOver` is told what came since it was asked before. */
async function* oncePerSubject(
  connection: NatsConnection,
  feed: ConsumerFeed,
  doing: string,
  isOver: (batch: readonly StoredMessage[]) => boolean | Promise<boolean>,
): AsyncGenerator<StoredMessage> {
  try {
    const seen = new Set<string>()
    let batch: StoredMessage[] = []
    let silentMs = 0
    while (!(await isOver(batch))) {
      batch = feed.takeMessages(batchBytesMax)
      for (const message of batch) {
        if (seen.has(message.subject)) continue
        seen.add(message.subject)
        yield message
      }
      connection.assertOpen()
      if (batch.length > 0) {
        silentMs = 0
        continue
      }
      if (feed.broken !== null) throw interrupted(doing, feed.broken)
      if (silentMs > silenceMaxMs) throw interrupted(doing, new Error(`nothing came for ${silenceMaxMs} ms`))
      const waitingSince = performance.now()
      await feed.wait(connection.ended)
      silentMs += performance.now() - waitingSince
    }
  } finally {
    feed.close()
  }
}

const interrupted = (doing: string, cause: Error): RepriseError =>
  new RepriseError('ADAPTER_UNAVAILABLE', `${doing} was interrupted: ${cause.message}. Try again.`, { cause })
