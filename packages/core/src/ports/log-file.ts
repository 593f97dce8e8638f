/** A file that holds a log, plain or packed. */
export interface LogFile {
  /** As it is shown to people. */
  readonly path: string
  /** What stands there; `null` if nothing does. */
  read(): Promise<AsyncIterable<Uint8Array> | null>
  /** Puts all of it there at once: whatever happens, half of it never stands under the name. */
  write(bytes: AsyncIterable<Uint8Array>): Promise<void>
  /** What stands there survives a crash of the machine once this resolves. */
  sync(): Promise<void>
}
