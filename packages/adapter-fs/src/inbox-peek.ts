import { setImmediate } from 'node:timers/promises'
import type { InboxMessage, PeekedMessages } from '@reprise/core/adapter'
import { fileFailure, systemCode } from './file-failure.js'
import { peekPosition } from './inbox-ack.js'
import type { InboxFolder } from './inbox-folder.js'
import { InboxSource } from './inbox-source.js'
import type { Lifetime } from './lifetime.js'

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
  let sources = [...folder.parts()].map(([name, parts]) => sourceOf(folder, name, parts))
  while (sources.length > 0) {
    const share = Math.ceil(found.room / sources.length)
    const withMore: InboxSource[] = []
    for (const source of sources) {
      if (found.room === 0) return found.messages
      const rest = readShare(folder, source, share, found)
      if (rest !== null) withMore.push(rest)
      await setImmediate()
      lifetime.assertOpen()
      found.checkTime(performance.now() - startedAt)
    }
    sources = withMore
  }
  return found.messages
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
      if (notFiles.includes(systemCode(error))) return null
      const isDeleted = systemCode(error) === 'ENOENT' && look < looksMax
      if (!isDeleted) throw fileFailure(error, 'Looking into', folder.messages)
      source = sourceOf(folder, source.name, folder.parts().get(source.name) ?? [])
    } finally {
      source.close()
    }
  }
}

const sourceOf = (folder: InboxFolder, name: string, parts: readonly number[]): InboxSource =>
  new InboxSource(folder, name, parts, peekPosition(folder.ackPath(name)))
