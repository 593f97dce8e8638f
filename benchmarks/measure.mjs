// What the benchmarks share: percentiles, temporary folders, child processes that answer in JSON.
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** @param {number[]} values @param {number} share 0 to 1 */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** @param {number[]} values */
export const median = (values) => percentile(values, 0.5)

/**
 * A folder on the disk that holds temporary files, removed afterwards. `REPRISE_BENCH_DIR` chooses another disk.
 * @template T
 * @param {(dir: string) => Promise<T>} use
 */
export async function inTemporaryFolder(use) {
  const dir = mkdtempSync(join(process.env.REPRISE_BENCH_DIR ?? tmpdir(), 'reprise-bench-'))
  try {
    return await use(dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/**
 * Runs a script of this folder in a process of its own, so that one measurement does not warm or burden another.
 * Resolves with what it sends.
 * @param {string} script
 * @param {string[]} args
 * @returns {Promise<any>}
 */
export function inOwnProcess(script, args) {
  return new Promise((resolve, reject) => {
    const child = fork(join(import.meta.dirname, script), args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    /** @type {unknown} */
    let answer
    child.on('message', (message) => {
      answer = message
    })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      if (code === 0 && answer !== undefined) resolve(answer)
      else
        reject(
          new Error(`${script} ended with ${signal ?? code} and ${answer === undefined ? 'no answer' : 'an answer'}`),
        )
    })
  })
}

/** @param {unknown} answer */
export const send = (answer) => process.send?.(answer)
