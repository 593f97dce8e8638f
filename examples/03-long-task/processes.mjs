// The processes of this example: started, listened to, killed.
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()

export function endAll() {
  for (const child of running) child.kill('SIGKILL')
}
// Whatever ends this program ends them.
process.on('exit', endAll)

/**
 * @param {string} script of this folder
 * @param {string[]} args
 * @param {(line: string) => void} onLine
 */
export function startProcess(script, args, onLine) {
  const child = fork(join(import.meta.dirname, script), args, {
    execArgv: ['--import', new URL('../01-fleet/stop-with-parent.mjs', import.meta.url).href],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    // Ctrl-C reaches the program that started them.
    detached: true,
  })
  running.add(child)
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', onLine)
  /** @type {Promise<{ code: number | null, signal: NodeJS.Signals | null }>} */
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject)
    // Not `exit`: its last lines may still be on their way then.
    child.once('close', (code, signal) => {
      running.delete(child)
      resolve({ code, signal })
    })
  })
  return {
    ended,
    kill: () => child.kill('SIGKILL'),
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}
