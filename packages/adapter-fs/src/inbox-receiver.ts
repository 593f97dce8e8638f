import { setImmediate, setTimeout } from 'node:timers/promises'
import type { InboxHandler, InboxMessage } from '@reprise/core/adapter'
import { FolderWatch } from './folder-watch.js'
import { type InboxFolder, partFile, readPartName } from './inbox-folder.js'
import { InboxSource } from './inbox-source.js'

const pollMs = 200
const messagesMax = 512
const charactersMax = 4 * 1024 * 1024
/** Senders whose files are kept open. */
const openSourcesMax = 64
/** Senders that a poll looks at, besides those whose files are open. */
const polledMax = 64
/** A folder may change within the tick of the file system's clock in which it was listed. */
const clockTickMs = 50
const retryMs = 20
const retryMsMax = 2_000

/** Hands the messages for one run to a handler, batch after batch, until it is ended. */
export class InboxReceiver {
  readonly #folder: InboxFolder
  readonly #handler: InboxHandler
  readonly #ended: AbortSignal
  readonly #sources = new Map<string, InboxSource>()
  /** By name of each of their files. */
  readonly #files = new Map<string, InboxSource>()
  /** Senders that may have something new. */
  readonly #stirred = new Set<string>()
  /** Senders whose messages from before `receive` were not all read yet. */
  readonly #behind = new Set<string>()
  #listedMs = 0
  #changedMs = -1
  #pollFrom = 0
  #mustPoll = false
  #onStir: (() => void) | null = null

  constructor(folder: InboxFolder, handler: InboxHandler, ended: AbortSignal) {
    this.#folder = folder
    this.#handler = handler
    this.#ended = ended
  }

  async run(): Promise<void> {
    const watch = new FolderWatch(this.#folder.messages, pollMs, (file) => this.#stir(file))
    const wake = (): void => this.#onStir?.()
    this.#ended.addEventListener('abort', wake, { once: true })
    try {
      this.#list()
      for (const [name, source] of this.#sources) {
        source.markStart()
        this.#behind.add(name)
      }
      await this.#handOver()
    } finally {
      this.#ended.removeEventListener('abort', wake)
      watch.close()
      for (const source of this.#sources.values()) source.close()
    }
  }

  async #handOver(): Promise<void> {
    let told = false
    while (!this.#ended.aborted) {
      if (this.#mustPoll) this.#poll()
      const touched = new Set<InboxSource>()
      const batch = this.#collect(touched)
      const caughtUp = this.#behind.size === 0
      if (batch.length > 0 || (caughtUp && !told)) {
        if (!(await this.#deliver(batch, caughtUp))) return
        told ||= caughtUp
      }
      for (const source of touched) acknowledge(source)
      if (batch.length > 0) continue
      // Only rubbish so far: the rest of the program gets its turn.
      if (this.#stirred.size > 0) await setImmediate()
      else if (!this.#mustPoll) await this.#stirring()
    }
  }

  /** The same batch until it is taken. `false`: ended before. */
  async #deliver(batch: readonly InboxMessage[], caughtUp: boolean): Promise<boolean> {
    for (let waitMs = retryMs; !this.#ended.aborted; waitMs = Math.min(waitMs * 2, retryMsMax)) {
      try {
        await this.#handler(batch, caughtUp)
        return true
      } catch {
        await setTimeout(waitMs, undefined, { signal: this.#ended }).catch(() => undefined)
      }
    }
    return false
  }

  #collect(touched: Set<InboxSource>): InboxMessage[] {
    const batch: InboxMessage[] = []
    let characters = 0
    const take = (message: InboxMessage): boolean => {
      batch.push(message)
      characters += message.body.length
      return batch.length < messagesMax && characters < charactersMax
    }
    for (const name of [...this.#stirred]) {
      this.#stirred.delete(name)
      const source = this.#sources.get(name)
      if (source === undefined) continue
      touched.add(source)
      const wholly = readFrom(source, take)
      if (wholly || source.caughtUp) this.#behind.delete(name)
      // At the end, so that one who writes much does not keep the others waiting.
      if (!wholly) this.#stirred.add(name)
      if (batch.length >= messagesMax || characters >= charactersMax) break
    }
    this.#closeSome()
    return batch
  }

  #stir(file: string | null): void {
    const source = file === null ? undefined : this.#files.get(file)
    if (source !== undefined) this.#stirred.add(source.name)
    // Of somebody new, or nobody in particular: a listing will tell.
    else if (file === null || readPartName(file) !== null) this.#mustPoll = true
    else return
    this.#onStir?.()
  }

  #stirring(): Promise<void> {
    return new Promise((resolve) => {
      this.#onStir = () => {
        this.#onStir = null
        resolve()
      }
    })
  }

  #poll(): void {
    this.#mustPoll = false
    const isFresh = this.#changedMs + clockTickMs < this.#listedMs && this.#folder.changedMs() === this.#changedMs
    if (!isFresh) this.#list()
    const names = [...this.#sources.keys()]
    for (let i = 0; i < Math.min(polledMax, names.length); i++) {
      const name = names[this.#pollFrom++ % names.length]
      if (name !== undefined) this.#stirred.add(name)
    }
    for (const source of this.#sources.values()) if (source.isOpen) this.#stirred.add(source.name)
  }

  #list(): void {
    this.#changedMs = this.#folder.changedMs()
    this.#listedMs = Date.now()
    this.#files.clear()
    for (const [name, parts] of this.#folder.parts()) {
      const known = this.#sources.get(name)
      const source = known ?? new InboxSource(this.#folder, name, parts)
      this.#sources.set(name, source)
      for (const part of parts) this.#files.set(partFile(name, part), source)
      if (known === undefined || known.learnParts(parts)) this.#stirred.add(name)
    }
  }

  #closeSome(): void {
    let open = 0
    for (const source of this.#sources.values()) if (source.isOpen) open++
    for (const source of this.#sources.values()) {
      if (open <= openSourcesMax) return
      if (!source.isOpen || this.#stirred.has(source.name)) continue
      source.close()
      open--
    }
  }
}

/** A file that cannot be read is looked at again with the next poll: it must not keep the others waiting. */
function readFrom(source: InboxSource, take: (message: InboxMessage) => boolean): boolean {
  try {
    return source.read(take)
  } catch {
    source.close()
    return true
  }
}

/** A position that cannot be written only means that messages come again after a restart. */
function acknowledge(source: InboxSource): void {
  try {
    source.acknowledge()
  } catch {
    source.close()
  }
}
