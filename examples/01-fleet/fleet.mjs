// The run itself: processes are started, killed on plan, and replaced by the same command until the log says that the
// run has ended. What is going on is read from the log, never asked of the processes.
import { once } from 'node:events'
import { followRun } from './follow-run.mjs'
import { findBusyWorker, planKills } from './kill-plan.mjs'
import { lastWords, Processes } from './processes.mjs'
import { whole } from './report.mjs'
import { runId } from './tasks.mjs'

/** A run that commits nothing for so long is given up: attempts expire, and are offered again, before. */
const stallMs = 20 * 60_000
/** How long the end of the run may take to show in the log after its coordinator has left. */
const farewellMs = 5_000
/** So often somebody may kill a process and see it replaced. */
const replacementsMax = 100

/**
 * @typedef {object} FleetKill
 * @property {import('./processes.mjs').Role} role
 * @property {number} pid
 * @property {number} at milliseconds since 1970
 * @property {number} epoch of the run at that moment
 */

/**
 * @typedef {object} Setting
 * @property {string} dir
 * @property {string | undefined} server
 * @property {import('@reprise/core').Adapter} adapter
 * @property {number} files
 * @property {import('./options.mjs').Options} options
 * @property {import('./progress.mjs').Progress} progress
 * @property {AbortSignal} signal stops everything
 */

/** Resolves to who was killed on the way, when the run is complete and all processes have ended. @param {Setting} setting */
export async function runFleet({ dir, server, adapter, files, options, progress, signal }) {
  const ending = new AbortController()
  const watched = AbortSignal.any([signal, ending.signal])
  const giveUp = (/** @type {string} */ why) => ending.abort(new Error(why))
  let replacements = 0

  const processes = new Processes(dir, server, ({ member, code, killedBy }) => {
    const { role, pid } = member
    if (role === 'coordinator' && code === 0) {
      setTimeout(giveUp, farewellMs, `coordinator ${pid} ended before the run`).unref()
    } else if (killedBy === null || ++replacements > replacementsMax) {
      giveUp(`${role} ${pid} ended with ${killedBy ?? `exit code ${code}`}. It said:\n${lastWords(member)}`)
    } else {
      const next = processes.start(role)
      progress.say(`${role} ${pid} died of ${killedBy}; the same command has started ${role} ${next.pid}`)
    }
  })

  /** @type {FleetKill[]} */
  const kills = []
  const plan = planKills(options.kill, files)
  const stall = setTimeout(giveUp, stallMs, 'nothing was committed for 20 minutes')
  try {
    processes.start('coordinator')
    for (let worker = 0; worker < options.workers; worker++) processes.start('worker')
    for await (const state of followRun(adapter.log, runId, watched)) {
      stall.refresh()
      const settled = state.counts.accepted + state.counts.abandoned
      progress.show('files', Math.min(settled, files), files, `${state.counts.out} out`)
      const [next] = plan
      if (next === undefined || settled < next.at || state.mode === 'closed') continue
      // One after the other: a worker dies only when a new coordinator is at work.
      if (kills.some(({ role, epoch }) => role === 'coordinator' && state.resumedEpoch <= epoch)) continue
      const victim = processes.find(
        next.role,
        next.role === 'worker' ? await findBusyWorker(adapter, state, processes.pids('worker')) : undefined,
      )
      if (victim === undefined) continue
      plan.shift()
      kills.push({ role: next.role, pid: victim.pid, at: Date.now(), epoch: state.epoch })
      victim.child.kill('SIGKILL')
      progress.say(`${whole(settled)} files are settled: SIGKILL to ${victim.role} ${victim.pid}`)
      // Its replacement is told before the run can be over.
      if (victim.child.signalCode === null) await once(victim.child, 'exit')
    }
    watched.throwIfAborted()
    for (const { role } of plan)
      progress.say(`no ${role} was killed: the run was over too soon. Take a folder with more files.`)
    return kills
  } finally {
    clearTimeout(stall)
    await processes.stop()
  }
}
