/** From the client to the server, or from the server to the client. */
export type Direction = 'toServer' | 'toClient'

export const directions: readonly Direction[] = ['toServer', 'toClient']

/** Sees bytes that came in, before they go anywhere. */
export type DataHook = (bytes: Buffer) => void

/** What is wrong with one direction of a proxy at the moment, and how much went through it. Shared by its connections. */
export class DirectionFaults {
  delayMs = 0
  swallowing = false
  holding = false
  /** Bytes per write, or 0 for as many as there are. */
  trickleBytes = 0
  /** Bytes that may still pass before everything is cut, or null. */
  cutAfterBytes: number | null = null
  readonly hooks = new Set<DataHook>()
  /** Bytes passed on so far. */
  passedBytes = 0
  /** Told when a fault ends, so that waiting bytes move. */
  readonly onChange = new Set<() => void>()

  /** Whether bytes pass unchanged and at once. */
  get clear(): boolean {
    return (
      this.delayMs === 0 &&
      !this.swallowing &&
      !this.holding &&
      this.trickleBytes === 0 &&
      this.cutAfterBytes === null &&
      this.hooks.size === 0
    )
  }

  changed(): void {
    for (const tell of this.onChange) tell()
  }
}
