import type { Socket } from 'node:net'
import type { DirectionFaults } from './direction-faults.js'

/** What goes through a connection in one direction: bytes, then its end or its failure, which wait in line like bytes. */
type Item = { readonly due: number } & ({ bytes: Buffer } | { readonly close: 'end' | 'reset' })

/** Kept for a held or delayed direction of one connection; a sender that has more is not read from, as by a network. */
const keptBytesMax = 1024 * 1024

/** Carries one direction of one connection from `source` to `sink`, as its faults allow. */
export class ProxyChannel {
  readonly #queue: Item[] = []
  #keptBytes = 0
  #timer: NodeJS.Timeout | undefined
  #next: NodeJS.Immediate | undefined
  #ended = false

  constructor(
    private readonly source: Socket,
    private readonly sink: Socket,
    private readonly faults: DirectionFaults,
    /** Called in place of passing more than `cutAfter` allows. The last bytes were given to the sink. */
    private readonly onCut: (sink: Socket) => void,
  ) {
    faults.onChange.add(this.#pump)
    source.on('data', this.#take)
    source.on('end', () => this.#close('end'))
    source.on('close', () => this.#close('reset'))
    source.on('error', () => {})
    sink.on('drain', this.#pump)
    sink.on('close', () => this.#stop())
  }

  readonly #take = (bytes: Buffer): void => {
    if (this.#ended) return
    const { faults, source, sink } = this
    if (faults.clear && this.#queue.length === 0) {
      faults.passedBytes += bytes.length
      if (!sink.write(bytes)) source.pause()
      return
    }
    for (const hook of faults.hooks) hook(bytes)
    // A hook may have cut the connection.
    if (sink.destroyed || faults.swallowing) return
    this.#queue.push({ bytes, due: performance.now() + faults.delayMs })
    this.#keptBytes += bytes.length
    if (this.#keptBytes > keptBytesMax) source.pause()
    this.#pump()
  }

  #close(close: 'end' | 'reset'): void {
    if (this.#ended) return
    this.#queue.push({ close, due: performance.now() + this.faults.delayMs })
    this.#pump()
  }

  /** Passes on what is due and permitted. Comes again by itself after a delay, a piece, or the sink's draining. */
  readonly #pump = (): void => {
    const { faults, sink } = this
    while (!faults.holding && this.#next === undefined) {
      const item = this.#queue[0]
      if (item === undefined) break
      const earlyMs = item.due - performance.now()
      if (earlyMs > 0) {
        clearTimeout(this.#timer)
        this.#timer = setTimeout(this.#pump, Math.ceil(earlyMs))
        return
      }
      if ('close' in item) {
        this.#queue.shift()
        if (item.close === 'end') sink.end()
        else sink.destroySoon()
      } else if (sink.writableNeedDrain) {
        return
      } else if (!this.#pass(item)) {
        return
      }
    }
    if (this.#queue.length === 0) this.source.resume()
  }

  /** Writes the item or a piece of it. False when everything was cut. */
  #pass(item: { bytes: Buffer }): boolean {
    const { faults, sink } = this
    const { bytes } = item
    const may = faults.cutAfterBytes ?? Number.POSITIVE_INFINITY
    const size = Math.min(bytes.length, may, faults.trickleBytes || bytes.length)
    if (size === bytes.length) this.#queue.shift()
    else item.bytes = bytes.subarray(size)
    this.#keptBytes -= size
    faults.passedBytes += size
    if (size > 0) sink.write(bytes.subarray(0, size))
    if (faults.cutAfterBytes !== null) {
      faults.cutAfterBytes -= size
      if (faults.cutAfterBytes === 0) {
        faults.cutAfterBytes = null
        this.#stop()
        this.onCut(sink)
        return false
      }
    }
    // A turn of the event loop between two pieces, so that each is a packet of its own.
    if (faults.trickleBytes > 0) {
      this.#next = setImmediate(() => {
        this.#next = undefined
        this.#pump()
      })
    }
    return true
  }

  #stop(): void {
    this.#ended = true
    this.#queue.length = 0
    clearTimeout(this.#timer)
    if (this.#next !== undefined) clearImmediate(this.#next)
    this.faults.onChange.delete(this.#pump)
    // What still comes is dropped; read on, to see the end.
    this.source.resume()
  }
}
