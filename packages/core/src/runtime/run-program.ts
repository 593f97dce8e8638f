import { RepriseError } from '../protocol/errors.js'
import { oneLine } from '../protocol/one-line.js'
import { OutputTail } from './output-tail.js'
import { type ProgramEnd, startProgram } from './start-program.js'

export interface RunProgramOptions {
  /** The program and its arguments: no shell reads them. */
  readonly command: readonly string[]
  /** Written to its standard input. */
  readonly input: string
  /** Added to this process's environment. */
  readonly env: Readonly<Record<string, string>>
  /** Stops it: SIGTERM to it and what it has started, SIGKILL to what is left `killAfterMs` later. */
  readonly signal: AbortSignal
  /** Milliseconds, default 5,000. */
  readonly killAfterMs?: number
}

/** Of what it says, so much of the end is kept, for the message of a failure. Bytes. */
const outputKept = 2_048

/**
 * Runs a program to its end. Rejects with `PROGRAM_FAILED` if it cannot be started, exits with another code than 0, is
 * ended by a signal, or is stopped by `signal`, whose reason is then the cause. It has ended when this settles.
 */
export async function runProgram(options: RunProgramOptions): Promise<void> {
  const { command, input, env, signal, killAfterMs = 5_000 } = options
  const [program = ''] = command
  if (signal.aborted) throw failed(program, 'was not started', '', signal.reason)
  const said = new OutputTail(outputKept)
  const end = await startProgram({
    ...{ command, input, signal, killAfterMs, env: { ...process.env, ...env } },
    onOutput: (_stream, chunk) => said.push(chunk),
  })
  if (end.by === 'exit' && end.code === 0) return
  if (end.by === 'error') throw failed(program, endWords(end), '', end.error)
  throw failed(program, endWords(end), said.text().trim(), signal.aborted ? signal.reason : undefined)
}

/** `exited with code 3` and the like. */
export function endWords(end: ProgramEnd): string {
  switch (end.by) {
    case 'exit':
      return `exited with code ${end.code}`
    case 'signal':
      return `was ended by ${end.signal}`
    case 'error':
      return `could not be started: ${end.error.message}`
  }
}

function failed(program: string, what: string, said: string, cause: unknown): RepriseError {
  const stopped =
    cause instanceof Error && !what.startsWith('could') ? ` after it was told to stop (${cause.message})` : ''
  const words = said === '' ? '' : ` It said: ${oneLine(said, outputKept)}`
  return new RepriseError('PROGRAM_FAILED', `The program ${oneLine(program, 256)} ${what}${stopped}.${words}`, {
    details: { program },
    cause,
  })
}
