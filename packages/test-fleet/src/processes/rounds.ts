// A coordinator that works in rounds, in a process of its own, to be stopped and killed. It says a round only after the
// library has said that it is durable.
import { existsSync } from 'node:fs'
import { closeOnSignals, isRepriseError, openRun, type Run } from '@reprise/core'
import { openPlace } from '../place.js'
import { workInRounds } from '../work-in-rounds.js'
import { listen, type RoundsOrder, readOrder, say } from './talk.js'

const {
  place,
  run: options,
  perRound,
  holdAt,
  mark,
  blockUntil,
  inputCharacters = 0,
  ...order
} = readOrder<RoundsOrder>()
const input = 'x'.repeat(inputCharacters)
const tasks = inputCharacters === 0 ? order.tasks : order.tasks.map((task) => ({ ...task, input }))
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
listen(({ bug }) => {
  if (bug !== undefined) throw new Error(bug)
  goOn()
})

try {
  run = await openRun({ adapter, ...options, signal: ending.signal })
  run.on('stopped', (error) => say({ stopped: error.code }))
  run.on('transport-failed', (error) => say({ troubled: String(error) }))
  say({ opened: run.status.epoch })
  await workInRounds(run, { tasks, perRound, deciding, onRound: (round) => say({ round }) })
  say({ completed: run.status.version })
  await run.close()
  await adapter.close()
  process.exit(0)
} catch (error) {
  // Let go by a signal: whoever closes ends this process.
  if (!isRepriseError(error, 'CLOSED') && !isRepriseError(error, 'ABORTED')) {
    if (!isRepriseError(error)) throw error
    say({ failed: error.code, message: error.message, details: error.details })
    process.exit(3)
  }
}

/** Waits until the test says more; or until a file is there, with the event loop blocked meanwhile. */
async function deciding(taken: number): Promise<string | undefined> {
  if (taken !== holdAt) return
  say({ deciding: taken })
  if (blockUntil === undefined) await told
  else block(blockUntil)
  return mark
}

function block(until: string): void {
  const clock = new Int32Array(new SharedArrayBuffer(4))
  const parent = process.ppid
  while (!existsSync(until) && process.ppid === parent) Atomics.wait(clock, 0, 0, 10)
}
