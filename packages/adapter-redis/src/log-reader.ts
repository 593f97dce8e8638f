import { RepriseError, type RunId, type StoredPiece } from '@reprise/core/adapter'
import type { AdapterParts } from './adapter-parts.js'
import { lookScript } from './log-scripts.js'
import { asArray, asBuffer, asNumber, asText, strictText } from './redis-reply.js'
import { logFailure, type SeenHead, type SeenHeads } from './seen-heads.js'

/** What comes with the first look of a reader; one commit may exceed it. It costs the server 4 ms a megabyte. */
const firstBytes = 64 * 1024
/** What `XRANGE` brings is about full then, going by the batch before. It costs the server 1 ms a megabyte. */
const batchBytes = 1024 * 1024
/** It has not more if no commit is larger than the largest of the batch before. */
const batchBytesMax = 4 * 1024 * 1024
/** Commits in one batch. A reply has 128 MiB if as many small ones are followed by the largest that there can be. */
const batchCommitsMax = 256
/** Entries in one reply when everything is wanted: 8 MiB if all are of the largest size. */
const storedCount = 16
const toHead = -1

export interface Look {
  readonly head: SeenHead
  /** Commits from the index that was asked for, in order. */
  readonly texts: string[]
}

interface Piece {
  readonly texts: string[]
  readonly bytes: number
  /** Of the largest of them. */
  readonly largest: number
}

/** Reads logs over the adapter's command connection. `LOG_CORRUPT` if the server knows less than it once did. */
export class LogReader {
  readonly #parts: AdapterParts
  readonly #seen: SeenHeads

  constructor(parts: AdapterParts, seen: SeenHeads) {
    this.#parts = parts
    this.#seen = seen
  }

  /** The head, and commits from `from` to `to` as far as they fit into one batch. One round trip. */
  async look(runId: RunId, from = 0, to = toHead, bytesMax = 0): Promise<Look> {
    const { connection, keys, lifetime } = this.#parts
    const seen = this.#seen.of(runId)
    const reply = asArray(
      await connection.script(
        lookScript,
        [keys.log(runId), keys.head(runId)],
        [seen.generation, seen.index, seen.hash, from, to, bytesMax],
      ),
    )
    lifetime.assertOpen()
    const head = { generation: asNumber(reply[1]), index: asNumber(reply[2]), hash: asText(reply[3]) }
    const failure = logFailure(asText(reply[0]), runId, head, seen)
    if (failure !== null) throw failure
    this.#seen.note(runId, head)
    const texts = reply.slice(4).map((bytes, i) => textOf(runId, from + i, asBuffer(bytes)))
    const last = Math.min(head.index, to === toHead ? head.index : to)
    if (bytesMax > 0 && texts.length === 0 && from <= last) throw missing(runId, from)
    return { head, texts }
  }

  /** The head, and the first commits from `from` on. */
  first(runId: RunId, from: number): Promise<Look> {
    return this.look(runId, from, toHead, firstBytes)
  }

  /** The head and the newest commit. */
  async last(runId: RunId): Promise<{ head: SeenHead; last: string | null }> {
    // It may have moved between the two looks.
    for (;;) {
      const { head } = await this.look(runId)
      if (head.index === -1) return { head, last: null }
      const again = await this.look(runId, head.index, head.index, 1)
      const last = again.texts[0]
      if (again.head.generation === head.generation && again.head.index === head.index && last !== undefined) {
        return { head, last }
      }
    }
  }

  /** To the head as it was at the first look. The next piece is under way while the caller works on this one. */
  async *read(runId: RunId, from: number): AsyncGenerator<string[]> {
    yield* this.readOn(runId, from, await this.first(runId, from))
  }

  /** What the first look brought, and what is behind it. */
  async *readOn(runId: RunId, from: number, { head, texts }: Look): AsyncGenerator<string[]> {
    const sizes = texts.map((text) => text.length)
    let piece: Piece = { texts, bytes: sizes.reduce((sum, size) => sum + size, 0), largest: Math.max(...sizes) }
    for (let index = from; piece.texts.length > 0; ) {
      index += piece.texts.length
      const count = Math.min((batchBytes * piece.texts.length) / piece.bytes, batchBytesMax / piece.largest)
      const ahead = index <= head.index ? this.#piece(runId, head, index, count) : null
      ahead?.catch(() => undefined) // Told when its turn comes, if it comes.
      yield piece.texts
      if (ahead === null) return
      piece = await ahead
    }
  }

  /**
   * About `count` commits from `from` on, not beyond the head that was seen when reading began. One round trip: the
   * bytes come as the server has them, and the look right behind them tells whether they were still those of this log.
   */
  async #piece(runId: RunId, begun: SeenHead, from: number, count: number): Promise<Piece> {
    const wanted = Math.min(Math.max(Math.floor(count), 1), batchCommitsMax, begun.index - from + 1)
    const range = [this.#parts.keys.log(runId), `${from + 1}-0`, `${from + wanted}-0`]
    const [reply, { head }] = await Promise.all([
      this.#parts.connection.call('XRANGE', [...range, 'COUNT', wanted]),
      this.look(runId),
    ])
    if (head.generation !== begun.generation) throw removed(runId)
    const entries = asArray(reply)
    const texts: string[] = []
    let [bytes, largest] = [0, 0]
    for (const entry of entries) {
      const [id, fields] = asArray(entry)
      const index = from + texts.length
      if (asText(id) !== `${index + 1}-0`) throw missing(runId, index)
      const text = asBuffer(asArray(fields)[1])
      bytes += text.length
      largest = Math.max(largest, text.length)
      texts.push(textOf(runId, index, text))
    }
    if (texts.length < wanted) throw missing(runId, from + texts.length)
    return { texts, bytes, largest }
  }

  /** Every entry of the stream, whatever it holds. */
  async *stored(runId: RunId): AsyncGenerator<StoredPiece> {
    const { connection, keys, lifetime } = this.#parts
    for (let after = '-'; ; ) {
      const entries = asArray(await connection.call('XRANGE', [keys.log(runId), after, '+', 'COUNT', storedCount]))
      lifetime.assertOpen()
      for (const entry of entries) {
        const [id, fields] = asArray(entry)
        const bytes = asBuffer(asArray(fields)[1])
        yield { place: `entry ${asText(id)}`, bytes, length: bytes.length, whole: true }
        after = `(${asText(id)}`
      }
      if (entries.length < storedCount) return
    }
  }

  /** Notes a commit that was read some other way. */
  note(runId: RunId, head: SeenHead): void {
    this.#seen.note(runId, head)
  }
}

/** `LOG_CORRUPT` if the bytes are not UTF-8. */
export function textOf(runId: RunId, index: number, bytes: Buffer): string {
  const text = strictText(bytes)
  if (text !== null) return text
  throw new RepriseError(
    'LOG_CORRUPT',
    `Commit ${index} of run ${runId} is damaged on the server: its bytes are not UTF-8. Restore the log from a copy, or take what comes before that commit into a new run.`,
    { details: { runId, index } },
  )
}

export const missing = (runId: RunId, index: number): RepriseError =>
  new RepriseError(
    'LOG_CORRUPT',
    `Commit ${index} of run ${runId} is missing on the server, though there are later ones. Restore the log from a copy, or take what comes before that commit into a new run.`,
    { details: { runId, index } },
  )

export const removed = (runId: RunId): RepriseError =>
  new RepriseError('RUN_UNKNOWN', `Run ${runId} was removed while it was being read.`, { details: { runId } })
