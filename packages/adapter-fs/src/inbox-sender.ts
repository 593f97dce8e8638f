import { statSync } from 'node:fs'
import type { InboxMessage } from '@reprise/core/adapter'
import { AppendFile } from './append-file.js'
import { fileFailure } from './file-failure.js'
import { encodeName } from './file-names.js'
import type { InboxFolder } from './inbox-folder.js'
import { inboxLine, namedInLine } from './inbox-line.js'
import { createFolder, syncFolder } from './sync-folder.js'

/** Lines that become durable together. All who wait for one of them wait for this. */
interface Group {
  readonly lines: string[]
  readonly durable: Promise<void>
  resolve(): void
  reject(error: unknown): void
}

/** Appends the messages of one sender to one run. What is sent while the disk is busy goes together next. */
export class InboxSender {
  readonly #folder: InboxFolder
  readonly #name: string
  readonly #named: string
  readonly #partBytesMax: number
  #file: AppendFile | null = null
  #part = 0
  #bytes = 0
  #forming: Group | null = null
  #busy = false
  #closed = false

  constructor(folder: InboxFolder, sender: string, partBytesMax: number) {
    this.#folder = folder
    this.#name = encodeName(sender)
    this.#named = namedInLine(sender)
    this.#partBytesMax = partBytesMax
  }

  get idle(): boolean {
    return !this.#busy
  }

  /** Resolves once the messages are on the disk. `SYNC_FAILED` for good once the disk has refused. */
  send(messages: readonly InboxMessage[]): Promise<void> {
    this.#forming ??= newGroup()
    const { durable, lines } = this.#forming
    for (const message of messages) lines.push(inboxLine(message, this.#named))
    if (!this.#busy) void this.#drain()
    return durable
  }

  close(): void {
    this.#closed = true
    this.#file?.close()
  }

  async #drain(): Promise<void> {
    this.#busy = true
    for (let group = this.#forming; group !== null; group = this.#forming) {
      this.#forming = null
      try {
        const file = this.#file ?? (await this.#open())
        file.append(group.lines)
        for (const line of group.lines) this.#bytes += line.length + 1
        await file.sync()
        group.resolve()
        if (this.#bytes >= this.#partBytesMax) this.#endPart()
      } catch (error) {
        group.reject(error)
      }
    }
    this.#busy = false
  }

  async #open(): Promise<AppendFile> {
    await createFolder(this.#folder.messages)
    const last = this.#folder.parts().get(this.#name)?.at(-1)
    this.#part = Math.max(this.#part, last ?? 1)
    const path = this.#folder.partPath(this.#name, this.#part)
    const file = openPart(path)
    try {
      this.#bytes = statSync(path).size
      // It may end in a line that was torn when the power failed: that line must not take ours with it.
      if (this.#bytes > 0) file.append([''])
      if (last !== this.#part) await syncFolder(this.#folder.messages)
    } catch (error) {
      file.close()
      throw error
    }
    if (this.#closed) file.close()
    this.#file = file
    return file
  }

  #endPart(): void {
    this.#file?.close()
    this.#file = null
    this.#part++
  }
}

function openPart(path: string): AppendFile {
  try {
    return AppendFile.open(path, { create: true })
  } catch (error) {
    throw fileFailure(error, 'Opening', path)
  }
}

function newGroup(): Group {
  let resolve = (): void => {}
  let reject = (_error: unknown): void => {}
  const durable = new Promise<void>((resolveDurable, rejectDurable) => {
    resolve = resolveDurable
    reject = rejectDurable
  })
  return { lines: [], durable, resolve, reject }
}
