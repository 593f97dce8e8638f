import { isRepriseError, type RunId } from '@reprise/core/adapter'
import type { AdapterParts } from './adapter-parts.js'
import { type LogReader, type Look, removed } from './log-reader.js'
import { LogTail } from './log-tail.js'
import { pause } from './pause.js'
import type { SeenHead } from './seen-heads.js'

/** After a failure that may pass. Milliseconds. */
const retryMs = 50

/** Follows logs: one blocking connection for each run that is watched, however many watch it. */
export class LogTails {
  readonly #parts: AdapterParts
  readonly #reader: LogReader
  readonly #tails = new Map<RunId, LogTail>()

  constructor(parts: AdapterParts, reader: LogReader) {
    this.#parts = parts
    this.#reader = reader
  }

  /** Commits from `fromIndex` on, for ever. What others append is there one wake-up later, without another look. */
  async *watch(runId: RunId, fromIndex: number, signal: AbortSignal): AsyncGenerator<string[]> {
    let generation: number | null = null
    for (let index = fromIndex; !signal.aborted; ) {
      const look = await this.#look(runId, index, signal)
      if (look === null) continue
      generation ??= look.head.generation
      if (look.head.generation !== generation) throw removed(runId)
      if (look.texts.length > 0) {
        for await (const texts of this.#catchUp(runId, index, look, signal)) {
          index += texts.length
          yield texts
        }
        continue
      }
      for await (const texts of this.#follow(runId, index, look.head, signal)) {
        index += texts.length
        yield texts
      }
    }
  }

  close(): void {
    for (const tail of this.#tails.values()) tail.close()
    this.#tails.clear()
  }

  /** `null` if there is nothing to tell but to look again: the signal aborted, or the server is away. */
  async #look(runId: RunId, index: number, signal: AbortSignal): Promise<Look | null> {
    try {
      return await this.#reader.first(runId, index)
    } catch (error) {
      await this.#mayPass(error, signal)
      return null
    }
  }

  /** What is there already, as far as the server tells. */
  async *#catchUp(runId: RunId, fromIndex: number, look: Look, signal: AbortSignal): AsyncGenerator<string[]> {
    const pieces = this.#reader.readOn(runId, fromIndex, look)
    while (!signal.aborted) {
      const next = await pieces.next().catch((error: unknown) => this.#mayPass(error, signal))
      if (next === undefined || next.done === true) return
      yield next.value
    }
  }

  async #mayPass(error: unknown, signal: AbortSignal): Promise<undefined> {
    if (!signal.aborted && !isRepriseError(error, 'ADAPTER_UNAVAILABLE')) throw error
    await pause(retryMs, signal)
  }

  /** What comes by wake-ups alone; ends when the tail is ahead of the caller, who has to read again. */
  async *#follow(runId: RunId, fromIndex: number, head: SeenHead, signal: AbortSignal): AsyncGenerator<string[]> {
    let tail = this.#tails.get(runId)
    if (tail === undefined || tail.ended) {
      tail = new LogTail(this.#parts, this.#reader, runId, head)
      this.#tails.set(runId, tail)
    }
    tail.enter()
    try {
      for (let index = fromIndex; !signal.aborted; ) {
        const texts = await tail.from(index, signal)
        if (texts === null) return
        index += texts.length
        yield texts
      }
    } finally {
      if (tail.leave() && this.#tails.get(runId) === tail) this.#tails.delete(runId)
    }
  }
}
