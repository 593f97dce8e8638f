// Worker processes of a benchmark, Reprise's or a peer's: each says "ready", and ends once it is disconnected.
import { fork } from 'node:child_process'
import { join } from 'node:path'

/** @typedef {{ workers: number, concurrency: number }} FleetSize `concurrency` of each worker process */
/** @typedef {{ stop(): Promise<void> }} Fleet */

/**
 * @param {string} script in this folder
 * @param {string} where passed to it, before its concurrency
 * @param {FleetSize} size
 * @returns {Promise<Fleet>}
 */
export async function startFleet(script, where, { workers, concurrency }) {
  const children = await Promise.all(
    Array.from({ length: workers }, () => startWorkerProcess(script, [where, String(concurrency)])),
  )
  return {
    async stop() {
      for (const child of children) child.disconnect()
      await Promise.all(children.map((child) => new Promise((resolve) => child.once('exit', resolve))))
    },
  }
}

/** @param {string} script @param {string[]} args @returns {Promise<import('node:child_process').ChildProcess>} */
function startWorkerProcess(script, args) {
  const child = fork(join(import.meta.dirname, script), args)
  return new Promise((resolve, reject) => {
    child.once('message', () => resolve(child))
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code} before it was ready`)))
  })
}
