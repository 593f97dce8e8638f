// Everything that is measured on a server, beside its raw peer on the same server, and the targets.
import { compareEndToEnd } from './compare.mjs'
import { describeServer } from './describe-server.mjs'
import { median } from './measure.mjs'
import { onServer } from './place.mjs'
import { measureRecovery } from './recovery.mjs'
import { measureReplay } from './replay.mjs'
import { millis, part, Report, whole } from './report.mjs'
import { ratioOf } from './rounds.mjs'
import { measureSpace } from './space.mjs'

const peers = { redis: 'raw BullMQ', nats: 'raw JetStream' }

/** @param {import('./place.mjs').ServerKind} adapter @param {import('./report.mjs').Plan} plan */
export const measureServer = (adapter, plan) =>
  onServer(adapter, async (server) => {
    const report = new Report(await describeServer(server))
    await part(plan, 'd', `${adapter}: end to end`, () => endToEnd(server, plan, report))
    await part(plan, 'e', `${adapter}: recovery`, () => recovery(server, plan, report))
    await part(plan, 'c', `${adapter}: replay`, () => replay(server, plan, report))
    await part(plan, 'f', `${adapter}: space`, () => space(server, plan, report))
    return report
  })

/** @typedef {(server: import('./place.mjs').Server, plan: import('./report.mjs').Plan, report: Report) => Promise<void>} ServerPart */

/** @type {ServerPart} */
async function endToEnd(server, { quick }, report) {
  const peer = peers[server.adapter]
  const size = { workers: 2, concurrency: 16, tasks: 5000 }
  const r = await compareEndToEnd(server, { ...size, rounds: quick ? 3 : 7, loops: quick ? 200 : 500 })
  report.figures.endToEnd = r
  const perS = (/** @type {typeof r.together} */ { ratio, oursMedian, peerMedian }) =>
    `${ratio.toFixed(2)} × ${peer} (${whole(oursMedian)}/s of ${whole(peerMedian)}/s)`
  report.row('(d) 5,000 tasks, 2 × 16', perS(r.together), '≥ 1.00 ×', r.together.ratio >= 1)
  report.note('(d) 1,000 tasks, handed over one by one', perS(r.oneByOne))
  const { ratio, ours, peer: theirs } = r.closedLoop
  const p50 = `${ratio.toFixed(2)} × ${peer} (p50 ${millis(ours.p50)} of ${millis(theirs.p50)})`
  report.row('(d) closed loop of one', p50, '≤ 1.30 ×', ratio <= 1.3)
  report.note('(d) the same, p99', `${millis(ours.p99)}, ${peer} ${millis(theirs.p99)}`)
}

/** @type {ServerPart} */
async function recovery(server, { quick }, report) {
  const r = await measureRecovery(server, { outstanding: 2000, logEvents: 0, rounds: quick ? 3 : 7 })
  report.figures.recovery = r
  const figure = `${whole(r.medianMs)} ms (worst ${whole(r.worstMs)})`
  report.row('(e) SIGKILL → accepted, 2,000 out', figure, '≤ 500 ms', r.medianMs <= 500)
}

/** @type {ServerPart} */
async function replay(server, { quick }, report) {
  const r = await measureReplay(server, { events: 100_000, rounds: quick ? 3 : 7 })
  report.figures.replay = r
  const { raw, read, fold, parse } = r.ms
  const beside = (/** @type {number[]} */ ours, /** @type {number[]} */ other, /** @type {string} */ what) =>
    `${ratioOf(ours, other).toFixed(2)} × ${what} (${whole(median(ours))} ms of ${whole(median(other))} ms`
  const what = `${whole(r.version)} events, ${(r.bytes / 2 ** 20).toFixed(0)} MiB in ${whole(r.commits)} commits`
  const ratio = ratioOf(read, raw)
  report.row('(c) replay: read', `${beside(read, raw, 'its bytes raw')}; ${what})`, '≤ 1.50 ×', ratio <= 1.5)
  report.note('(c) replay: read, verified, folded', `${beside(fold, raw, 'its bytes raw')})`)
  report.note('(c) the same', `${beside(fold, parse, 'JSON.parse')})`)
}

/** @type {ServerPart} */
async function space(server, { quick }, report) {
  const r = await measureSpace(server, { tasks: quick ? 2000 : 20_000 })
  report.figures.space = r
  const place = server.adapter === 'redis' ? "of the server's memory" : "in the server's streams"
  report.note('(f) a settled task', `${whole(r.logPerTask)} bytes of log, ${whole(r.keptPerTask)} bytes ${place}`)
}
