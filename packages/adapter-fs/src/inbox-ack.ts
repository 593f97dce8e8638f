import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import { checkedLine, checkedPayload } from './checked-line.js'
import { fileFailure, systemCode } from './file-failure.js'

/** Up to where the messages of a sender were taken in. */
export interface InboxPosition {
  readonly part: number
  /** Bytes of that part. */
  readonly offset: number
}

const start: InboxPosition = { part: 0, offset: 0 }
const textBytes = 64

/**
 * Remembers a position in a file of its own. Not synced: after a crash of the system some messages come again, and
 * the log knows them.
 */
export class InboxAck {
  readonly #path: string
  readonly #fd: number

  constructor(path: string) {
    this.#path = path
    try {
      this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o666)
    } catch (error) {
      throw fileFailure(error, 'Opening', path)
    }
  }

  read(): InboxPosition {
    try {
      return readPosition(this.#fd)
    } catch (error) {
      throw fileFailure(error, 'Reading', this.#path)
    }
  }

  /** Only ever forward: a receiver that was replaced without noticing must not undo what its successor has done. */
  advance(position: InboxPosition): void {
    if (!isBefore(this.read(), position)) return
    const digits = String(position.offset).padStart(16, '0')
    try {
      writeSync(this.#fd, `${checkedLine(`${String(position.part).padStart(12, '0')} ${digits}`)}\n`, 0)
    } catch (error) {
      throw fileFailure(error, 'Writing', this.#path)
    }
  }

  close(): void {
    closeSync(this.#fd)
  }
}

export const isBefore = (a: InboxPosition, b: InboxPosition): boolean =>
  a.part < b.part || (a.part === b.part && a.offset < b.offset)

/** The position in a file that only its receiver writes, and may not have made yet. */
export function peekPosition(path: string): InboxPosition {
  let fd: number | null = null
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
    return readPosition(fd)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return start
    throw fileFailure(error, 'Reading', path)
  } finally {
    if (fd !== null) closeSync(fd)
  }
}

function readPosition(fd: number): InboxPosition {
  const bytes = Buffer.alloc(textBytes)
  readSync(fd, bytes, 0, textBytes, 0)
  const payload = checkedPayload(bytes.toString('latin1', 0, bytes.indexOf('\n')))
  const [part, offset] = payload?.split(' ').map(Number) ?? []
  return part !== undefined && offset !== undefined ? { part, offset } : start
}
