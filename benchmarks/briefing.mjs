// (i) What a briefing costs, made from the state as data and text: cut down to a budget of tokens, and with one that it
// never reaches, beside `JSON.stringify` of the whole view. Pure work in memory; called with arguments it is a process
// that measures one number of open tasks.
import { openRun, startWorker } from '@reprise/core'
import { memoryAdapter } from '@reprise/core/testing'
import { echo, echoTasks } from './bench-task.mjs'
import { inOwnProcess, send } from './measure.mjs'

/** @typedef {{ tokens: number, ms: number }} Cost of one briefing, in processor time */
/** @typedef {{ open: number, whole: Cost, fitted: Cost, least: Cost, viewMs: number }} BriefingCost */

/** @param {{ open: number, rounds: number }} options @returns {Promise<BriefingCost>} */
export const measureBriefing = ({ open, rounds }) => inOwnProcess('briefing.mjs', [String(open), String(rounds)])

/** Half of the open tasks have come back, half are out. @param {number} open @param {number} rounds */
async function measure(open, rounds) {
  const adapter = memoryAdapter()
  const run = await openRun({ adapter, runId: 'brief', goal: 'measure', policy: { inFlightMax: 1_000_000 } })
  const half = Math.floor(open / 2)
  if (open > 0) await run.dispatch(echoTasks('out', open - half).map((task) => ({ ...task, lane: 'nobody' })))
  if (half > 0) await run.dispatch(echoTasks('back', half))
  const worker = await startWorker({ adapter, concurrency: 100, handlers: [echo.handle(async ({ n }) => ({ n }))] })
  while (run.status.counts.received < half) await new Promise(setImmediate)
  await worker.close()

  /** @param {number} tokenBudget @returns {Promise<Cost>} */
  const cost = async (tokenBudget) => {
    let tokens = 0
    const ms = await timed(rounds, async () => {
      tokens = (await run.briefing({ tokenBudget })).tokens
    })
    return { tokens, ms }
  }
  const [whole, fitted, least] = [await cost(1_000_000_000), await cost(4_000), await cost(1_000)]
  const viewMs = await timed(rounds, async () => void JSON.stringify(await run.view()))
  await run.close()
  await adapter.close()
  return { open, whole, fitted, least, viewMs }
}

/** Processor time of one call, the mean: it waits for nothing. @param {number} rounds @param {() => Promise<void>} work */
async function timed(rounds, work) {
  for (let warm = 0; warm < 50; warm++) await work()
  const before = process.cpuUsage()
  for (let round = 0; round < rounds; round++) await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000 / rounds
}

const [open, rounds] = process.argv.slice(2)
if (process.send !== undefined && open !== undefined) send(await measure(Number(open), Number(rounds)))
