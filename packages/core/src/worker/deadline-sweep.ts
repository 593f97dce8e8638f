import type { Runtime } from '../ports/runtime.js'

/** The clock may jump, and timers stand still while a machine sleeps: look at least so often. */
const sleepMsMax = 30_000

/** One alarm for the deadlines of all items: an item costs two set operations, not a timer. */
export class DeadlineSweep<Item extends { readonly deadlineMs: number }> {
  readonly #items = new Set<Item>()
  #alarm: AbortController | null = null
  #alarmAtMs = Number.POSITIVE_INFINITY

  /** `onPassed` is called once for an item that is still there when its deadline passes. It must not throw. */
  constructor(
    private readonly runtime: Runtime,
    private readonly onPassed: (item: Item) => void,
  ) {}

  add(item: Item): void {
    this.#items.add(item)
    if (item.deadlineMs < this.#alarmAtMs) this.#setAlarm(item.deadlineMs)
  }

  delete(item: Item): void {
    this.#items.delete(item)
  }

  close(): void {
    this.#items.clear()
    this.#alarm?.abort()
  }

  #setAlarm(atMs: number): void {
    this.#alarm?.abort()
    this.#alarm = new AbortController()
    this.#alarmAtMs = atMs
    void this.#sleepAndSweep(atMs, this.#alarm.signal)
  }

  async #sleepAndSweep(atMs: number, signal: AbortSignal): Promise<void> {
    await this.runtime.sleep(Math.min(Math.max(0, atMs - this.runtime.now()), sleepMsMax), signal)
    if (signal.aborted) return
    this.#alarmAtMs = Number.POSITIVE_INFINITY
    const now = this.runtime.now()
    let nextMs = Number.POSITIVE_INFINITY
    for (const item of this.#items) {
      if (item.deadlineMs > now) {
        nextMs = Math.min(nextMs, item.deadlineMs)
      } else {
        this.#items.delete(item)
        this.onPassed(item)
      }
    }
    if (nextMs < this.#alarmAtMs) this.#setAlarm(nextMs)
  }
}
