// A coordinator that works in rounds: in each it settles what came back and dispatches the next few tasks. It says a
// round only after the library has said that it is durable.
import { existsSync } from 'node:fs'
import { closeOnSignals, isRepriseError, openRun, type Run, type RunView } from '@reprise/core'
import { openPlace } from '../place.js'
import { listen, type RoundsOrder, readOrder, say } from './talk.js'

const { place, run: options, tasks, perRound, holdAt, mark, blockUntil, inputCharacters = 0 } = readOrder<RoundsOrder>()
const input = inputCharacters === 0 ? undefined : 'x'.repeat(inputCharacters)
const adapter = await openPlace(place)
let goOn = (): void => {}
const told = new Promise<void>((resolve) => {
  goOn = resolve
})
const ending = new AbortController()
let run: Run | null = null

closeOnSignals({
  close: async () => {
    ending.abort()
    await run?.close()
    await adapter.close()
  },
})
listen(() => goOn())

try {
  run = await openRun({ adapter, ...options, signal: ending.signal })
  run.on('stopped', (error) => say({ stopped: error.code }))
  run.on('transport-failed', (error) => say({ troubled: String(error) }))
  say({ opened: run.status.epoch })
  while (run.status.mode !== 'closed') {
    const report = await run.round({ recover, decide })
    if (report.progress) say({ round: report.round, settled: report.settled })
    else if (report.code !== 'NO_PROGRESS') throw new Error(`${report.code}: ${report.message}`)
    await somethingBack(run)
  }
  say({ completed: run.status.version })
  await run.close()
  await adapter.close()
  process.exit(0)
} catch (error) {
  // Let go by a signal: whoever closes ends this process.
  if (!isRepriseError(error, 'CLOSED') && !isRepriseError(error, 'ABORTED')) {
    say(
      isRepriseError(error)
        ? { failed: error.code, message: error.message, details: error.details }
        : { failed: String(error) },
    )
    process.exit(3)
  }
}

function recover({ stopped }: RunView) {
  return stopped.map(({ taskId, reason }) => ({ type: 'abandon' as const, taskId, reason }))
}

async function decide({ received, out, planned, counts, round }: RunView) {
  const accepts = received.map(({ taskId }) => ({ type: 'accept' as const, taskId }))
  if (out.length + planned.length > 0) return accepts
  const marks = counts.tasks === holdAt && mark !== undefined ? [{ type: 'note' as const, text: mark }] : []
  if (counts.tasks === holdAt) await hold(round + 1)
  const next = tasks.slice(counts.tasks, counts.tasks + perRound)
  if (next.length === 0) return [...accepts, ...marks, { type: 'complete' as const, summary: 'everything is done' }]
  const requests = input === undefined ? next : next.map((task) => ({ ...task, input }))
  return [...accepts, ...marks, { type: 'dispatch' as const, tasks: [...requests] }]
}

/** Until the test says more; or until a file is there, with the event loop blocked meanwhile. */
async function hold(round: number): Promise<void> {
  say({ deciding: round })
  if (blockUntil === undefined) return told
  const clock = new Int32Array(new SharedArrayBuffer(4))
  const parent = process.ppid
  while (!existsSync(blockUntil) && process.ppid === parent) Atomics.wait(clock, 0, 0, 10)
}

/** Resolves once something came back, or nothing more can. */
async function somethingBack(held: Run): Promise<void> {
  for await (const _batch of held.resultBatches()) return
}
