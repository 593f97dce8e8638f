import { openRun, type Run, type RunView, type TaskRequest } from '@reprise/core'
import { openPlace } from './place.js'
import type { RoundsOrder } from './processes/talk.js'

interface RoundsOptions {
  readonly tasks: readonly TaskRequest[]
  /** So many tasks go out in a round, once the ones before are settled. */
  readonly perRound: number
  /** Called by a round that dispatches, with how many tasks were taken in before. What it returns is noted in that round. */
  readonly deciding?: (taken: number) => Promise<string | undefined>
  /** Called with each round that is durable. */
  readonly onRound?: (round: number) => void
}

/** Brings a run to its end in rounds: in each it settles what came back and dispatches the next few tasks. */
export async function workInRounds(run: Run, options: RoundsOptions): Promise<void> {
  while (run.status.mode !== 'closed') {
    const report = await run.round({ recover, decide: (view) => decide(view, options) })
    if (report.progress) options.onRound?.(report.round)
    else if (report.code !== 'NO_PROGRESS') throw new Error(`${report.code}: ${report.message}`)
    await somethingBack(run)
  }
}

/** Takes a run up in this process and brings it to its end in rounds. */
export async function finishInRounds(order: Omit<RoundsOrder, 'inputCharacters'>): Promise<void> {
  const adapter = await openPlace(order.place)
  try {
    const run = await openRun({ adapter, ...order.run })
    await workInRounds(run, order)
    await run.close()
  } finally {
    await adapter.close()
  }
}

function recover({ stopped }: RunView) {
  return stopped.map(({ taskId, reason }) => ({ type: 'abandon' as const, taskId, reason }))
}

async function decide({ received, out, planned, counts }: RunView, { tasks, perRound, deciding }: RoundsOptions) {
  const accepts = received.map(({ taskId }) => ({ type: 'accept' as const, taskId }))
  if (out.length + planned.length > 0) return accepts
  const next = tasks.slice(counts.tasks, counts.tasks + perRound)
  if (next.length === 0) return [...accepts, { type: 'complete' as const, summary: 'everything is done' }]
  const text = await deciding?.(counts.tasks)
  const notes = text === undefined ? [] : [{ type: 'note' as const, text }]
  return [...accepts, ...notes, { type: 'dispatch' as const, tasks: next }]
}

/** Resolves once something came back, or nothing more can. */
async function somethingBack(run: Run): Promise<void> {
  for await (const _batch of run.resultBatches()) return
}
