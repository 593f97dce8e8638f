/** Where the state file of a run is kept. `stateFileAt` keeps it on a disk. */
export interface StateFileStore {
  /** How messages name it. */
  readonly path: string
  /** The whole file; `null` if there is none. Bytes that are no UTF-8 come as U+FFFD. */
  read(): Promise<string | null>
  /** Puts `text` in its place at once: whoever reads sees the old file or the new one, never a part. */
  replace(text: string): Promise<void>
  /** Keeps what somebody else wrote, and says where. The same text is kept once. */
  keepAside(text: string): Promise<string>
}
