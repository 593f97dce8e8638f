import type { SimulatedProcess } from '../src/memory/simulated-process.js'
import type { StateFileStore } from '../src/ports/state-file.js'

type Method = keyof Omit<StateFileStore, 'path'>
/** `go`, `fail`, or something to wait for first. */
type Fate = 'go' | 'fail' | Promise<unknown>

/** One file, as the simulated processes that write it see it. */
export class MemoryStateFile {
  readonly path = 'docs/run-1-state.md'
  text: string | null = null
  /** Every text that ever stood there by a store's hand, in order. */
  readonly writes: string[] = []
  readonly kept: string[] = []
  readonly calls: Method[] = []
  /** Asked before and after each call takes effect. */
  fate: (method: Method, phase: 'before' | 'after', process: SimulatedProcess) => Fate = () => 'go'

  /** The store of one process: it stands still and dies with it. */
  of(process: SimulatedProcess): StateFileStore {
    const call = async <T>(method: Method, work: () => T): Promise<T> => {
      this.calls.push(method)
      await this.#pass(method, 'before', process)
      const result = work()
      await this.#pass(method, 'after', process)
      return result
    }
    return {
      path: this.path,
      read: () => call('read', () => this.text),
      replace: (text, expected) =>
        call('replace', () => {
          if (this.text !== expected) return false
          this.text = text
          this.writes.push(text)
          return true
        }),
      keepAside: (text) =>
        call('keepAside', () => {
          if (!this.kept.includes(text)) this.kept.push(text)
          return `${this.path}.kept-${this.kept.indexOf(text)}`
        }),
    }
  }

  /** Lets calls of these methods fail until it is called again with none. */
  fail(...methods: Method[]): void {
    this.fate = (method, phase) => (phase === 'before' && methods.includes(method) ? 'fail' : 'go')
  }

  async #pass(method: Method, phase: 'before' | 'after', process: SimulatedProcess): Promise<void> {
    const fate = this.fate(method, phase, process)
    if (fate === 'fail') throw new Error(`ENOSPC: no space left on device, ${method}`)
    if (fate !== 'go') await fate
    await process.running()
  }
}
