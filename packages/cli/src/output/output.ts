import type { Writable } from 'node:stream'
import { CommandFailure } from '../command-failure.js'
import { paint } from './markup.js'
import { visible, visibleJson } from './visible.js'

/** A stream of the process, and what it may show. */
export interface Sink {
  readonly stream: Writable
  readonly colour: boolean
}

/** All that a command says goes through here: nothing hidden, no secret, and no faster than it is read. */
export class Output {
  constructor(
    private readonly out: Sink,
    private readonly err: Sink,
    private readonly secrets: readonly string[],
  ) {}

  /** A text in human form, with a newline behind it. */
  human(text: string): Promise<void> {
    return this.write(this.out, `${paint(visible(this.redact(text)), this.out.colour)}\n`)
  }

  /** A JSON document: indented, or on one line. */
  json(value: unknown, indent?: number): Promise<void> {
    return this.write(this.out, `${visibleJson(value, indent, this.secrets.length > 0 ? this.hide : undefined)}\n`)
  }

  /** Bytes of a file format, as they are. */
  raw(bytes: string | Uint8Array): Promise<void> {
    return this.write(this.out, bytes)
  }

  /** Beside the result, on standard error. If nobody reads that, it is lost. */
  note(text: string): Promise<void> {
    return this.write(this.err, `${paint(visible(this.redact(text)), this.err.colour)}\n`).catch(() => {})
  }

  /** Values, not what was written: there a password may stand in escapes, or be a word like `true`. */
  private readonly hide = (_key: string, value: unknown): unknown =>
    typeof value === 'string' ? this.redact(value) : value

  private redact(text: string): string {
    return this.secrets.reduce((safe, secret) => safe.replaceAll(secret, '***'), text)
  }

  private write({ stream }: Sink, chunk: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      stream.write(chunk, (error) => (error ? reject(failedWrite(error)) : resolve()))
    })
  }
}

/** Nobody reads on: `reprise log RUN | head -1` ends like this, and nothing is wrong. */
export const isUnread = (error: unknown): boolean => error instanceof CommandFailure && error.code === 'EPIPE'

function failedWrite({ code = 'OUTPUT_FAILED', message }: NodeJS.ErrnoException): CommandFailure {
  const why = 'What the command did is not undone; look at the run before you give it again.'
  return new CommandFailure('unavailable', code, `The output could not be written: ${message}. ${why}`)
}
