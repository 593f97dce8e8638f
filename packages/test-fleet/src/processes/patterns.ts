// A coordinator in a process of its own that uses each worker pattern once, to be killed in the middle of each. What a
// task waits for is a gate of the worker: see `pace` there.
import { allOf, firstOf, isRepriseError, mapOver, openRun, pipeline, type TaskRequest } from '@reprise/core'
import { openPlace } from '../place.js'
import { type CoordinatorOrder, listen, readOrder, say } from './talk.js'

const order = readOrder<Omit<CoordinatorOrder, 'tasks'>>()
const pace = (taskId: string, gate = 0): TaskRequest => ({ taskId, kind: 'pace', input: { ms: 5, gate } })
const never = 1_000
const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

listen(() => {})
try {
  const adapter = await openPlace(order.place)
  const run = await openRun({ adapter, ...order.run })
  run.on('commit', ({ events }) => {
    for (const { type, data } of events) {
      if (type === 'task-accepted' || type === 'dispatched') say({ [`${type} ${data.taskId}`]: data.attempt })
    }
  })
  say({ opened: run.status.epoch })

  const all = await allOf(
    run,
    numbers(6).map((n) => pace(`all-${n}`, n < 3 ? 0 : 1)),
  )
  say({ all: [...all.values()].map(({ taskId, receipt }) => [taskId, receipt?.taskId]) })

  const first = await firstOf(
    run,
    numbers(4).map((n) => pace(`first-${n}`, n === 2 ? 2 : never)),
  )
  say({ first: [first.winner?.receipt?.taskId, [...first.others.values()].map(({ outcome }) => outcome)] })

  const stages = [
    { name: 'one', task: ({ taskId }: { taskId: string }) => pace(taskId) },
    { name: 'two', task: ({ taskId }: { taskId: string }) => pace(taskId, 3) },
  ]
  const led = await pipeline(run, ['a', 'b', 'c'], stages)
  say({ led: [...led.values()].map(({ done, receipt }) => [done, receipt?.taskId]) })

  async function* source() {
    for (const n of numbers(12)) yield n
  }
  const onResult = ({ taskId }: { taskId: string }) => say({ shown: taskId })
  const mapped = await mapOver(run, source(), (n) => pace(`map-${n}`, n < 6 ? 0 : 4), { inFlight: 4, onResult })
  say({ mapped: mapped.accepted + mapped.skipped })

  await run.complete('every pattern has come to its end')
  await run.close()
  await adapter.close()
  process.exit(0)
} catch (error) {
  if (!isRepriseError(error)) throw error
  say({ failed: error.code, message: error.message })
  process.exit(3)
}
