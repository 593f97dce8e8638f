// Who is killed, and when.
import { runId, workerIdOf } from './tasks.mjs'

/** @typedef {import('./processes.mjs').Role} Role */
/** @typedef {{ role: Role, at: number }} PlannedKill `at`: once so many files are settled */

/** Attempts to look for before any worker will do. */
const looksMax = 64

/**
 * The coordinator a third of the way, a worker at two thirds.
 * @param {import('./options.mjs').Kill} kill
 * @param {number} files
 * @returns {PlannedKill[]}
 */
export function planKills(kill, files) {
  /** @type {PlannedKill[]} */
  const plan = []
  if (kill === 'coordinator' || kill === 'both') plan.push({ role: 'coordinator', at: Math.ceil(files / 3) })
  if (kill === 'worker' || kill === 'both') plan.push({ role: 'worker', at: Math.ceil((files * 2) / 3) })
  return plan
}

/**
 * The process of a worker that has an attempt in its hands right now, if one is found: killing an idle one is no test.
 * @param {import('@reprise/core').Adapter} adapter
 * @param {import('@reprise/core').RunState} state
 * @param {readonly number[]} pids of the worker processes
 * @returns {Promise<number | undefined>} its process id
 */
export async function findBusyWorker(adapter, state, pids) {
  let looks = 0
  for (const { phase, spec, attempt } of state.tasks.values()) {
    if (phase !== 'out') continue
    if (++looks > looksMax) return undefined
    const where = await adapter.queue.locate(runId, spec.taskId, attempt)
    const pid = where.at === 'claimed' ? pids.find((candidate) => workerIdOf(candidate) === where.workerId) : undefined
    if (pid !== undefined) return pid
  }
  return undefined
}
