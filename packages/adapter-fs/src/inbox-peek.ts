import { statSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { type InboxMessage, isRepriseError, type PeekedMessages } from '@reprise/core/adapter'
import { fileFailure, systemCode } from './file-failure.js'
import { type InboxPosition, peekPosition } from './inbox-ack.js'
import type { InboxFolder } from './inbox-folder.js'
import { InboxSource } from './inbox-source.js'
import type { Lifetime } from './lifetime.js'

/** Senders that are looked at before the rest of the program gets its turn. */
const pauseEvery = 64

/** A receiver deletes what it has taken in, also under our eyes: then that sender is looked at anew. */
const looksMax = 8

/** Something else was put where a file should be, to stop whoever reads it. The receiver passes over it as well. */
const notFiles: readonly string[] = ['EINVAL', 'ELOOP', 'ENXIO']

/**
 * What was not acknowledged: of every sender its oldest messages, as many of each, and what is left over from those who
 * have more. Which of two senders came first, their files do not tell.
 */
export async function peekInbox(
  folder: InboxFolder,
  found: PeekedMessages,
  lifetime: Lifetime,
): Promise<readonly InboxMessage[]> {
  const startedAt = performance.now()
  const pause = async (): Promise<void> => {
    await setImmediate()
    lifetime.assertOpen()
    found.checkTime(performance.now() - startedAt)
  }
  let sources: InboxSource[] = []
  let looked = 0
  for (const [name, parts] of folder.parts()) {
    const acked = peekPosition(folder.ackPath(name))
    // Of a long run, nearly all senders are processes that ended long ago.
    if (!isAtEnd(folder, name, parts, acked)) sources.push(new InboxSource(folder, name, parts, acked))
    if (++looked % pauseEvery === 0) await pause()
  }
  while (sources.length > 0) {
    const share = Math.ceil(found.room / sources.length)
    const withMore: InboxSource[] = []
    for (const source of sources) {
      if (found.room === 0) return found.messages
      const rest = readShare(folder, source, share, found)
      if (rest !== null) withMore.push(rest)
      await pause()
    }
    sources = withMore
  }
  return found.messages
}

/** Exactly: a position behind the end was never one in this file. */
function isAtEnd(folder: InboxFolder, name: string, parts: readonly number[], acked: InboxPosition): boolean {
  const last = parts.at(-1)
  if (last === undefined || acked.part !== last) return false
  return statSync(folder.partPath(name, last), { throwIfNoEntry: false })?.size === acked.offset
}

/** The source to go on with, or `null` if that was all of it. Leaves no file open. */
function readShare(folder: InboxFolder, from: InboxSource, share: number, found: PeekedMessages): InboxSource | null {
  const least = Math.max(0, found.room - share)
  let source = from
  for (let look = 1; ; look++) {
    try {
      const wholly = source.read((message) => found.take(message) && found.room > least)
      return wholly ? null : source
    } catch (error) {
      if (isRepriseError(error)) throw error
      if (notFiles.includes(systemCode(error))) return null
      const isDeleted = systemCode(error) === 'ENOENT' && look < looksMax
      if (!isDeleted) throw fileFailure(error, 'Looking into', folder.messages)
      const { name } = source
      source = new InboxSource(folder, name, folder.parts().get(name) ?? [], peekPosition(folder.ackPath(name)))
    } finally {
      source.close()
    }
  }
}
