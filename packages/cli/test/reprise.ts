import { spawn } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The packed command, which npm links. */
export const command = fileURLToPath(new URL('../bundle/reprise.js', import.meta.url))

refuseStale()

/** What was built since it was packed would not be what is tested. */
function refuseStale(): void {
  const packedAt = statSync(command).mtimeMs
  for (const folder of ['cli', 'core', 'adapter-fs']) {
    const dist = fileURLToPath(new URL(`../../${folder}/dist`, import.meta.url))
    const fresher = readdirSync(dist, { recursive: true, encoding: 'utf8' }).find(
      (name) => name.endsWith('.js') && statSync(`${dist}/${name}`).mtimeMs > packedAt,
    )
    if (fresher === undefined) continue
    throw new Error(`${folder}/dist/${fresher} is newer than ${command}: pack it with node scripts/bundle-cli.mjs.`)
  }
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface StartOptions {
  readonly cwd?: string
  /** Added to an environment without anything that changes what the command does. */
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
}

/** Starts the command; `ended` resolves when the process is gone and its output was read. */
export function startReprise(args: readonly string[], { cwd, env, input }: StartOptions = {}) {
  const child = spawn(process.execPath, [command, ...args], { cwd, env: { ...cleanEnv(), ...env } })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text
    })
  }
  child.stdin.on('error', () => {})
  child.stdin.end(input ?? '')
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, ...said }))
  })
  return { child, said, ended }
}

/** Runs the command to its end. */
export const reprise = (args: readonly string[], options?: StartOptions): Promise<Ended> =>
  startReprise(args, options).ended

/** As `reprise … --json`; fails with what was said if it is no JSON document. */
export async function repriseJson(args: readonly string[], options?: StartOptions) {
  const ended = await reprise([...args, '--json'], options)
  try {
    return { ...ended, json: JSON.parse(ended.stdout) }
  } catch {
    throw new Error(`reprise ${args.join(' ')} ended with ${ended.code} and no JSON: ${ended.stdout}${ended.stderr}`)
  }
}

const unwanted = /^(REPRISE_|NO_COLOR$|FORCE_COLOR$|COLUMNS$)/

const cleanEnv = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !unwanted.test(entry[0]),
    ),
  )
