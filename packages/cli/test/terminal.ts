import { spawn } from 'node:child_process'
import { command } from './reprise.js'

export interface TerminalOptions {
  readonly columns?: number
  readonly cwd?: string
  /** Added to the environment of a terminal whose locale is UTF-8. */
  readonly env?: Readonly<Record<string, string>>
}

/** What stood on a terminal in the end. */
export interface Shown {
  readonly code: number | null
  /** Standard output and standard error, as they came, with `\n` at the ends of lines. */
  readonly text: string
}

const unwanted = /^(REPRISE_|NO_COLOR$|FORCE_COLOR$|COLUMNS$|LC_|LANG)/

/** Runs the built command on a real terminal (a pty, made by `script`) of so many columns. */
export function inTerminal(
  args: readonly string[],
  { columns = 80, cwd, env = {} }: TerminalOptions = {},
): Promise<Shown> {
  const line = [process.execPath, command, ...args].map(quoted).join(' ')
  const kept = Object.entries(process.env).filter(([name]) => !unwanted.test(name))
  const child = spawn('script', ['-qec', `stty cols ${columns} rows 40 && exec ${line}`, '/dev/null'], {
    cwd,
    // The standard input stays open: at its end, `script` would type an end of file.
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...Object.fromEntries(kept), TERM: 'xterm-256color', LC_ALL: 'C.UTF-8', ...env },
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, text: text.replaceAll('\r\n', '\n') }))
  })
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

/** The text without what colours it. Anything else that a terminal would obey stays. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
export const withoutColours = (text: string): string => text.replace(/\u001b\[\d{1,2}m/g, '')
