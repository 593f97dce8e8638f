// Everything that is measured on files, and the targets.
import { measureAppend, measureGroups } from './append.mjs'
import { measureBriefing } from './briefing.mjs'
import { measureEndToEnd } from './end-to-end.mjs'
import { measureLookBack } from './look-back.mjs'
import { median } from './measure.mjs'
import { measureRecovery } from './recovery.mjs'
import { measureReplay } from './replay.mjs'
import { millis, part, Report, whole } from './report.mjs'
import { measureResume } from './resume.mjs'
import { ratioOf } from './rounds.mjs'
import { measureRuns } from './runs.mjs'
import { measureSpace } from './space.mjs'
import { measureStateFile } from './state-file.mjs'

const where = /** @type {const} */ ({ adapter: 'files' })

/** @param {import('./report.mjs').Plan} plan */
export async function measureFiles(plan) {
  const { quick } = plan
  const report = new Report('files')
  await part(plan, 'a', 'files: append one at a time', async () => {
    const r = await measureAppend({ appends: quick ? 300 : 2000, rounds: quick ? 3 : 7 })
    report.figures.append = r
    const figure = `${r.ratio.toFixed(2)} × bare loop (${whole(r.appendPerS)}/s of ${whole(r.barePerS)}/s; as run.note ${whole(r.pipelinePerS)}/s)`
    report.row('(a) append, one at a time', figure, '≥ 0.70 ×', r.ratio >= 0.7)
  })
  await part(plan, 'b', 'files: 64 in flight', async () => {
    const r = await measureGroups({ events: quick ? 20_000 : 200_000, inFlight: 64, rounds: quick ? 3 : 5 })
    report.figures.groups = r
    report.row('(b) append, 64 in flight', `${whole(r.eventsPerS)} events/s`, '≥ 100,000/s', r.eventsPerS >= 100_000)
  })
  await part(plan, 'c', 'files: replay', async () => {
    const r = await measureReplay(where, { events: quick ? 100_000 : 1_000_000, rounds: quick ? 3 : 5 })
    report.figures.replay = r
    const ratio = ratioOf(r.ms.fold, r.ms.parse)
    const figure = `${ratio.toFixed(2)} × JSON.parse (${whole(median(r.ms.fold))} ms for ${whole(r.version)} events in ${whole(r.commits)} commits)`
    report.row('(c) replay, verified', figure, '≤ 2.00 ×', ratio <= 2)
    const memory = `${whole(r.peakMiB)} MiB with ${whole(r.settled)} settled tasks`
    report.row('(c) peak memory', memory, '≤ 250 MiB', r.peakMiB <= 250)
  })
  await part(plan, 'd', 'files: end to end', async () => {
    const size = { workers: 2, concurrency: 16, tasks: 5000 }
    const r = await measureEndToEnd({ ...size, rounds: quick ? 3 : 7, loops: quick ? 300 : 2000 })
    report.figures.endToEnd = r
    const figure = `${whole(r.tasksPerS)} tasks/s (cold ${whole(r.firstRound ?? 0)}, best ${whole(r.best)})`
    report.row('(d) 5,000 tasks, 2 × 16', figure, '≥ 12,000/s', r.tasksPerS >= 12_000)
    const loop = `p50 ${millis(r.p50Ms)}, p99 ${millis(r.p99Ms)}`
    report.row('(d) closed loop of one', loop, 'p50 ≤ 1.50 ms', r.p50Ms <= 1.5)
  })
  await part(plan, 'e', 'files: recovery', async () => {
    const rounds = quick ? 3 : 7
    const few = await measureRecovery(where, { outstanding: 2000, logEvents: 0, rounds })
    const long = await measureRecovery(where, { outstanding: 2000, logEvents: 100_000, rounds })
    report.figures.recovery = { few, long }
    const figure = (/** @type {typeof few} */ r) => `${whole(r.medianMs)} ms (worst ${whole(r.worstMs)})`
    report.row('(e) SIGKILL → accepted, 2,000 out', figure(few), '≤ 300 ms', few.medianMs <= 300)
    report.row('(e) the same, 100,000 events', figure(long), '≤ 1,000 ms', long.medianMs <= 1000)
  })
  await part(plan, 'f', 'files: space', async () => {
    const r = await measureSpace(where, { tasks: quick ? 2000 : 20_000 })
    report.figures.space = r
    report.note(
      '(f) a settled task',
      `${whole(r.logPerTask)} bytes of log, ${whole(r.keptPerTask)} bytes in the folder`,
    )
  })
  await part(plan, 'h', 'files: state file', async () => {
    const r = await measureStateFile({ commits: quick ? 1000 : 4000, inFlight: 64, rounds: quick ? 3 : 7 })
    report.figures.stateFile = r
    const one = `${r.oneByOneRatio.toFixed(2)} × without (${millis(r.oneByOneMs)} of ${millis(r.oneByOneBareMs)} a commit; ${whole(r.fileBytes)} bytes)`
    report.row('(h) state file, one at a time', one, '≤ 1.15 ×', r.oneByOneRatio <= 1.15)
    report.note(
      '(h) the same, processor time',
      `${r.cpuRatio.toFixed(2)} × without (${millis(r.cpuMs)} of ${millis(r.cpuBareMs)})`,
    )
    const grouped = `${r.groupedRatio.toFixed(2)} × without (${whole(r.groupedPerS)}/s of ${whole(r.groupedBarePerS)}/s)`
    report.row('(h) state file, 64 in flight', grouped, '≥ 0.90 ×', r.groupedRatio >= 0.9)
  })
  await part(plan, 'i', 'a briefing (in memory, the same on every adapter)', async () => {
    const costs = []
    for (const open of [0, 100, 2000]) {
      const r = await measureBriefing({ open, rounds: quick ? 100 : 400 })
      costs.push(r)
      const told = (/** @type {typeof r.whole} */ { ms, tokens }) => `${millis(ms)} for ${whole(tokens)} tokens`
      const ways = `whole ${told(r.whole)}; of 4,000 ${told(r.fitted)}; of 1,000 ${told(r.least)}`
      report.note(`(i) a briefing, ${whole(open)} open`, `${ways}; the view as JSON ${millis(r.viewMs)}`)
    }
    report.figures.briefing = costs
  })
  await part(plan, 'j', 'files: a list of runs', async () => {
    const r = await measureRuns({ runs: quick ? 2000 : 10_000, events: 30, rounds: quick ? 3 : 5 })
    report.figures.runs = r
    const figure = `${whole(r.ms)} ms, ${r.ratio.toFixed(1)} × reading the same files (${whole(r.bareMs)} ms); the command's start alone ${whole(r.startMs)} ms`
    report.row(`(j) reprise runs, ${whole(r.runs)} runs`, figure, '≤ 1,000 ms', r.ms <= 1000)
    report.note('(j) without summaries', `${whole(r.withoutMs)} ms, from logs of ${whole(r.events)} events`)
  })
  await part(plan, 'g', 'files: resume and snapshot', async () => {
    const rounds = quick ? 3 : 5
    const short = await measureResume({ events: 100_000, open: 2000, rounds })
    const long = await measureResume({ events: quick ? 300_000 : 1_000_000, open: 2000, rounds })
    report.figures.resume = { short, long }
    for (const [r, target] of /** @type {const} */ ([
      [short, 1000],
      [long, 1000],
    ])) {
      const { openMs, startMs } = r.newest
      const name = `(g) resume, ${whole(r.events)} events, ${whole(r.open)} out`
      const figure = `${whole(openMs)} ms (${whole(startMs)} with the process; whole log ${whole(r.whole.openMs)} ms, ${(openMs / r.whole.openMs).toFixed(2)} ×)`
      report.row(name, figure, `≤ ${whole(target)} ms`, openMs <= target)
    }
    const { keep } = long
    report.row('(g) snapshot: longest pause', millis(keep.pauseMs), '≤ 10.00 ms', keep.pauseMs <= 10)
    report.note('(g) snapshot: cost', `${whole(keep.ms)} ms in the background, ${whole(keep.bytes / 1024)} KiB`)
  })
  await part(plan, 'k', 'files: looking back', async () => {
    const rounds = quick ? 2 : 5
    const short = await measureLookBack({ events: 100_000, rounds })
    const long = await measureLookBack({ events: quick ? 300_000 : 1_000_000, rounds })
    report.figures.lookBack = { short, long }
    for (const [r, target] of /** @type {const} */ ([
      [short, 400],
      [long, 3000],
    ])) {
      const figure = `${whole(r.worstMs)} ms at worst, median ${whole(r.laterMs)} ms (${(r.laterMs / r.parseMs).toFixed(2)} × reading and JSON.parse in a process, ${whole(r.parseMs)} ms)`
      report.row(
        `(k) show at any version, ${whole(r.events)} events`,
        figure,
        `≤ ${whole(target)} ms`,
        r.worstMs <= target,
      )
      const first = `${whole(r.firstMs)} ms, ${(r.firstMs / r.parseMs).toFixed(2)} × JSON.parse; it keeps ${r.kept} states, ${whole(r.bytes / 1024)} KiB`
      report.note('(k) the first look at it', first)
    }
    report.note('(k) the shortest command', `${whole(short.helpMs)} ms`)
  })
  return report
}
