import type { Adapter } from '@reprise/core/adapter'

/** An adapter that a test is going to kill. */
export interface MortalAdapter {
  readonly adapter: Adapter
  /**
   * Ends it as SIGKILL ends a process: from then on it sends no heartbeat, settles, acknowledges and gives back
   * nothing; its pending calls may stay pending for ever. Harmless when repeated.
   */
  kill(): Promise<void>
}

/** One fresh place where an adapter keeps its things: a directory, a key prefix, a stream. Each test gets its own. */
export interface TestStorage {
  /** Opens another adapter over this storage: as far as the backend can tell, another process. */
  open(): Promise<Adapter>
  /** The same, for one that can be killed: see `openAdapterProcess` for a way that suits every adapter. */
  openMortal(): Promise<MortalAdapter>
}

/** What an adapter may lack. Everything that keeps work safe is not in this list. */
export interface Capabilities {
  /** Whether `adapter.artifacts` is there. */
  readonly artifacts: boolean
  /** Whether `adapter.snapshots` is there. Default: it is not. */
  readonly snapshots?: boolean
  /** Whether `adapter.summaries` is there. Default: it is not. */
  readonly summaries?: boolean
  /** Whether a delivery names the workers that had its attempt before. Default: it says `null`. */
  readonly earlierWorkers?: boolean
}

export interface AdapterUnderTest<Storage extends TestStorage = TestStorage> {
  readonly name: string
  create(): Promise<Storage>
  /** Removes the storage. Every adapter opened over it was closed or killed before. */
  teardown(storage: NoInfer<Storage>): Promise<void>
  readonly capabilities: Capabilities
  /** How long the suite lets leases and claims live where they have to run out. Milliseconds, default 500. */
  readonly ttlMs?: number
}

/** What the suite uses of a test runner: vitest, jest and `node:test` with an `expect` have it. */
export interface TestFunctions {
  describe(name: string, body: () => void): void
  it(name: string, body: () => Promise<void>, timeoutMs?: number): void
  expect(actual: unknown): { toBe(expected: unknown): void; toEqual(expected: unknown): void }
}
