import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
const commandWithinMs = 20_000

/** Runs `ip` and resolves with what it prints. Rejects with what it complains about. */
export async function ip(...args: readonly string[]): Promise<string> {
  const { stdout } = await run('ip', args, { timeout: commandWithinMs, env: { ...process.env, LC_ALL: 'C' } })
  return stdout
}
