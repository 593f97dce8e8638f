/** Where the state file of a run is kept. `stateFileAt` keeps it on a disk. */
export interface StateFileStore {
  /** How messages name it. */
  readonly path: string
  /** The whole file; `null` if there is none. Bytes that are no UTF-8 come as U+FFFD. */
  read(): Promise<string | null>
  /**
   * Puts `text` in the place of `expected` (`null`: of no file) at once: whoever reads sees the old file or the new one,
   * never a part. `false`: somebody else's text stands there; read it, judge it, and ask again.
   */
  replace(text: string, expected: string | null): Promise<boolean>
  /** Keeps what somebody else wrote, as it was read, and says where. The same text is kept once. */
  keepAside(text: string): Promise<string>
}
