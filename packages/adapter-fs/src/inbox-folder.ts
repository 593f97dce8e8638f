import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileFailure, systemCode } from './file-failure.js'
import { decodeName } from './file-names.js'

const partName = /^(.+)\.(\d{6,12})\.messages$/

/** A file of messages: the `part`th of those of the sender whose encoded name is `name`. */
export interface InboxPart {
  readonly name: string
  readonly part: number
}

/**
 * Where the messages for a run lie: `inbox/<sender>.000001.messages`, and `acks/<sender>` for how far they were taken
 * in. Two folders, so that acknowledging does not wake the receiver. A sender goes on in the next part when one has
 * grown large, and comes back to none.
 */
export class InboxFolder {
  readonly messages: string
  readonly acks: string

  constructor(runFolder: string) {
    this.messages = join(runFolder, 'inbox')
    this.acks = join(runFolder, 'acks')
  }

  partPath(name: string, part: number): string {
    return join(this.messages, partFile(name, part))
  }

  ackPath(name: string): string {
    return join(this.acks, name)
  }

  /** Every part there is, by sender and in order. Files that have no business there are left out. */
  parts(): Map<string, number[]> {
    const senders = new Map<string, number[]>()
    for (const file of this.#list()) {
      const found = readPartName(file)
      if (found === null) continue
      const parts = senders.get(found.name)
      if (parts === undefined) senders.set(found.name, [found.part])
      else parts.push(found.part)
    }
    for (const parts of senders.values()) parts.sort((a, b) => a - b)
    return senders
  }

  /** Milliseconds: when a file was last added or removed. */
  changedMs(): number {
    try {
      return statSync(this.messages).mtimeMs
    } catch (error) {
      throw fileFailure(error, 'Looking at', this.messages)
    }
  }

  #list(): string[] {
    try {
      return readdirSync(this.messages)
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return []
      throw fileFailure(error, 'Listing', this.messages)
    }
  }
}

export const partFile = (name: string, part: number): string => `${name}.${String(part).padStart(6, '0')}.messages`

/** `null` for a file that no sender of ours has made. */
export function readPartName(file: string): InboxPart | null {
  const [, name, digits] = partName.exec(file) ?? []
  if (name === undefined || digits === undefined) return null
  // Ids that are too long are hashed into the name, which then ends so.
  const isOurs = decodeName(name) !== null || /\+\+[0-9a-f]{64}$/.test(name)
  return isOurs ? { name, part: Number(digits) } : null
}
