/** A moment by two clocks: on Linux the monotonic one stops in suspend, and the other one may step back. */
export interface Moment {
  readonly monotonicMs: number
  readonly wallMs: number
}

const now = (): Moment => ({ monotonicMs: performance.now(), wallMs: Date.now() })

/** How long the server has not heard of us: because this process stood still, or the connection did. */
export class Silence {
  #since = now()

  /** Milliseconds. */
  get forMs(): number {
    const { monotonicMs, wallMs } = now()
    return Math.max(monotonicMs - this.#since.monotonicMs, wallMs - this.#since.wallMs)
  }

  /** To be passed to `broken` once the server is known to have what is sent now. */
  begin(): Moment {
    return now()
  }

  broken(at: Moment): void {
    this.#since = at
  }
}
