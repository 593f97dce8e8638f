import { statSync, unlinkSync } from 'node:fs'
import type { InboxMessage } from '@reprise/core/adapter'
import { systemCode } from './file-failure.js'
import { decodeName } from './file-names.js'
import { InboxAck, type InboxPosition, isBefore } from './inbox-ack.js'
import type { InboxFolder } from './inbox-folder.js'
import { readInboxLine } from './inbox-line.js'
import { LineTail } from './line-tail.js'

/** Takes a message into the batch. Returns whether there is room for another. */
export type TakeMessage = (message: InboxMessage) => boolean

/** Looked at in one go, of one sender: what is not ours in there must not keep the others waiting. */
const lookBytesMax = 4 * 1024 * 1024

/** The messages of one sender to one run, in order, from where they were acknowledged. */
export class InboxSource {
  readonly name: string
  readonly #folder: InboxFolder
  readonly #sender: string | null
  #parts: readonly number[]
  #ack: InboxAck | null = null
  #tail: LineTail | null = null
  /** Next to read. Before the first reading: unknown. */
  #position: InboxPosition | null = null
  #acked: InboxPosition | null = null
  #start: InboxPosition | null = null

  /** `acked`: from there, by who only looks and must not make the file in which a receiver keeps that. */
  constructor(folder: InboxFolder, name: string, parts: readonly number[], acked: InboxPosition | null = null) {
    this.#folder = folder
    this.name = name
    this.#sender = decodeName(name)
    this.#parts = parts
    this.#acked = acked
  }

  /** Whether files of it are open. */
  get isOpen(): boolean {
    return this.#ack !== null
  }

  /** The files there are now. Returns whether one is new. */
  learnParts(parts: readonly number[]): boolean {
    const before = this.#parts
    this.#parts = parts
    return parts.some((part) => !before.includes(part))
  }

  /** What is there now is what `caughtUp` waits for. */
  markStart(): void {
    const part = this.#parts.at(-1) ?? 0
    const { size } = statSync(this.#folder.partPath(this.name, part), { throwIfNoEntry: false }) ?? { size: 0 }
    this.#start = { part, offset: size }
  }

  /** Whether everything was read that was there at the start. */
  get caughtUp(): boolean {
    return this.#start === null || (this.#position !== null && !isBefore(this.#position, this.#start))
  }

  /** Reads on. Returns whether that was all there is. */
  read(take: TakeMessage): boolean {
    for (;;) {
      const tail = this.#openTail()
      if (tail === null) return true
      const wholly = tail.readNew((bytes, start, end) => {
        const message = readInboxLine(bytes, start, end, this.name, this.#sender)
        return message === null || take(message)
      }, lookBytesMax)
      const { part } = this.#position ?? { part: 0 }
      this.#position = { part, offset: tail.position }
      if (!wholly) return false
      const next = this.#nextPart(part)
      if (next === undefined) return true
      // The sender had gone on before we learnt of the next part, so this one was complete when it was read.
      this.#closeTail()
      this.#position = { part: next, offset: 0 }
    }
  }

  /** What was read until now need not come again. Parts that are not needed any more go. */
  acknowledge(): void {
    const position = this.#position
    if (position === null || (this.#acked !== null && !isBefore(this.#acked, position))) return
    this.#openAck().advance(position)
    this.#acked = position
    for (const part of this.#parts) if (part < position.part) this.#remove(part)
    if (this.#parts.some((part) => part < position.part))
      this.#parts = this.#parts.filter((part) => part >= position.part)
  }

  /** Closes its files; reading opens them again. */
  close(): void {
    this.#closeTail()
    this.#ack?.close()
    this.#ack = null
  }

  #openTail(): LineTail | null {
    if (this.#tail !== null) return this.#tail
    this.#acked ??= this.#openAck().read()
    this.#position ??= this.#acked
    const { part, offset } = this.#position
    const at = this.#parts.includes(part) ? part : this.#nextPart(part)
    if (at === undefined) return null
    this.#position = { part: at, offset: at === part ? offset : 0 }
    this.#tail = LineTail.open(this.#folder.partPath(this.name, at), this.#position.offset)
    // A position behind the end was never ours: the file is another one.
    if (this.#tail.size < this.#position.offset) {
      this.#tail.close()
      this.#tail = LineTail.open(this.#folder.partPath(this.name, at))
    }
    return this.#tail
  }

  #nextPart(part: number): number | undefined {
    return this.#parts.find((other) => other > part)
  }

  #openAck(): InboxAck {
    this.#ack ??= new InboxAck(this.#folder.ackPath(this.name))
    return this.#ack
  }

  #closeTail(): void {
    this.#tail?.close()
    this.#tail = null
  }

  #remove(part: number): void {
    try {
      unlinkSync(this.#folder.partPath(this.name, part))
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error
    }
  }
}
