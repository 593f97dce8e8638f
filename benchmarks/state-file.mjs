// (h) What keeping a state file costs the log: the same commits with and without one, in turn, on the same disk.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openFiles } from '@reprise/adapter-fs'
import { openRun } from '@reprise/core'
import { inTemporaryFolder, median } from './measure.mjs'
import { inTurn, ratioOf } from './rounds.mjs'

/** @typedef {import('@reprise/core').Run} Run */

/** What a run has out while it is measured: every write of the file goes over it. */
const openTasks = 2_000

/** @param {{ commits: number, inFlight: number, rounds: number }} options */
export function measureStateFile({ commits, inFlight, rounds }) {
  return inTemporaryFolder(async (dir) => {
    const adapter = await openFiles({ dir })
    let runs = 0
    /** @type {{ bytes: number, current: boolean }[]} */
    const files = []
    /** @param {boolean} keepsFile @param {(run: Run) => Promise<number>} measure */
    const onRun = async (keepsFile, measure) => {
      const path = join(dir, 'docs', `${++runs}.md`)
      const options = { adapter, runId: `state-${runs}`, goal: 'measure', policy: { inFlightMax: openTasks } }
      const run = await openRun({ ...options, ...(keepsFile && { stateFile: path }) })
      await run.dispatch(Array.from({ length: openTasks }, (_, n) => ({ taskId: `t${n}`, kind: 'none', input: null })))
      const figure = await measure(run)
      await run.close()
      if (keepsFile) {
        const text = readFileSync(path, 'utf8')
        files.push({ bytes: text.length, current: text.includes(`\nversion: ${run.status.version}\n`) })
      }
      return figure
    }
    /** Processor time of this process, in ms per commit: on a busy machine it says more than the clock. */
    const cpu = { withFile: /** @type {number[]} */ ([]), without: /** @type {number[]} */ ([]) }
    // The engine warms up.
    await onRun(true, (run) => latency(run, commits, []))
    const oneByOne = await inTurn(
      rounds,
      () => onRun(true, (run) => latency(run, commits, cpu.withFile)),
      () => onRun(false, (run) => latency(run, commits, cpu.without)),
    )
    const grouped = await inTurn(
      rounds,
      () => onRun(true, (run) => throughput(run, commits * 10, inFlight)),
      () => onRun(false, (run) => throughput(run, commits * 10, inFlight)),
    )
    await adapter.close()
    if (!files.every(({ current }) => current)) throw new Error('a state file was behind its log')
    return {
      openTasks,
      fileBytes: median(files.map(({ bytes }) => bytes)),
      oneByOneMs: oneByOne.oursMedian,
      oneByOneBareMs: oneByOne.peerMedian,
      oneByOneRatio: oneByOne.ratio,
      cpuMs: median(cpu.withFile),
      cpuBareMs: median(cpu.without),
      cpuRatio: ratioOf(cpu.withFile, cpu.without),
      groupedPerS: grouped.oursMedian,
      groupedBarePerS: grouped.peerMedian,
      groupedRatio: grouped.ratio,
    }
  })
}

/** Milliseconds of one commit, awaited one after the other: the mean, so that what waits behind a write counts. @param {Run} run @param {number} commits @param {number[]} cpu */
async function latency(run, commits, cpu) {
  const [start, before] = [performance.now(), process.cpuUsage()]
  for (let n = 0; n < commits; n++) await run.note(`note ${n} ${'x'.repeat(80)}`)
  const { user, system } = process.cpuUsage(before)
  cpu.push((user + system) / 1000 / commits)
  return (performance.now() - start) / commits
}

/** Events per second. @param {Run} run @param {number} events @param {number} inFlight */
async function throughput(run, events, inFlight) {
  let left = events
  const lane = async () => {
    while (left-- > 0) await run.note('x'.repeat(100))
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: inFlight }, lane))
  return (events / (performance.now() - start)) * 1000
}
