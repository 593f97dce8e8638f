import { type FSWatcher, watch } from 'node:fs'

/**
 * Calls `onChange` when something happens in a folder, with the name of the file if the system tells it, and with
 * `null` every `pollMs` in any case: a watch is only a hint, and may be missing altogether.
 */
export class FolderWatch {
  readonly #timer: NodeJS.Timeout
  #watcher: FSWatcher | null = null

  constructor(path: string, pollMs: number, onChange: (name: string | null) => void) {
    this.#timer = setInterval(() => onChange(null), pollMs)
    try {
      this.#watcher = watch(path, (_event, name) => onChange(name))
      this.#watcher.on('error', () => this.#unwatch())
    } catch {
      // Too many watches on this system: polling is slower, but it does.
    }
  }

  close(): void {
    clearInterval(this.#timer)
    this.#unwatch()
  }

  #unwatch(): void {
    this.#watcher?.close()
    this.#watcher = null
  }
}
