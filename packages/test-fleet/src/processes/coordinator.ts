// A coordinator in a process of its own, to be stopped and killed. It says what it did only after the library has
// said that it is durable.
import { closeOnSignals, isRepriseError, openRun, type Run } from '@reprise/core'
import { evidenceFor } from '../finish-run.js'
import { openPlace } from '../place.js'
import { type CoordinatorOrder, listen, readOrder, say } from './talk.js'

const order = readOrder<CoordinatorOrder>()
const { finish = true, reopenings = 0, inputCharacters = 0 } = order
const input = 'x'.repeat(inputCharacters)
const tasks = inputCharacters === 0 ? order.tasks : order.tasks.map((task) => ({ ...task, input }))
const adapter = await openPlace(order.place)
let run: Run | null = null

closeOnSignals({
  close: async () => {
    await run?.close()
    await adapter.close()
  },
})
listen(({ note }) => run?.note(note ?? '').then(() => say({ noted: note }), fail))

for (let left = reopenings; ; left--) {
  try {
    await coordinate()
    break
  } catch (error) {
    if (left === 0) fail(error)
    else say(failure(error))
  }
}

async function coordinate(): Promise<void> {
  const opened = await openRun({ adapter, ...order.run })
  run = opened
  opened.on('stopped', (error) => say({ stopped: error.code }))
  opened.on('transport-failed', (error) => say({ troubled: String(error) }))
  say({ opened: opened.status.epoch })
  const report = await opened.dispatch(tasks)
  say({ dispatched: report.dispatched.length, planned: report.planned.length, known: report.known.length })
  if (!finish) return
  for await (const result of opened.results()) {
    if (result.status === 'stopped') await result.abandon(result.reason ?? '')
    else await result.accept()
    say({ [result.status === 'stopped' ? 'abandoned' : 'accepted']: result.taskId })
  }
  await opened.complete('everything is done', { evidence: evidenceFor(order.run) })
  say({ completed: opened.status.version })
  await opened.close()
  await adapter.close()
  process.exit(0)
}

function failure(error: unknown): object {
  if (!isRepriseError(error)) throw error
  return { failed: error.code, message: error.message, details: error.details }
}

function fail(error: unknown): void {
  // Closed by a signal: whoever closes ends this process.
  if (isRepriseError(error, 'CLOSED')) return
  say(failure(error))
  process.exit(3)
}
