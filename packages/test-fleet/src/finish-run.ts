import { type OpenRunOptions, openRun, startWorker, type TaskRequest, type WorkerOptions } from '@reprise/core'
import { openPlace, type Place } from './place.js'

/** Nothing in these tests takes nearly as long: when it is over, something hangs. Milliseconds. */
const deadlineMs = 20_000

export interface Work {
  readonly place: Place
  readonly run: Omit<OpenRunOptions, 'adapter'>
  readonly tasks: readonly TaskRequest[]
}

/** `count` tasks that give back their input. */
export const echoTasks = (count: number): TaskRequest[] =>
  Array.from({ length: count }, (_, n) => ({ taskId: `task-${n}`, kind: 'echo', input: { n } }))

/** A worker in this process that does tasks of kind `echo`, and those of any other kind in the same way. */
export async function startEchoWorker(
  place: Place,
  kinds: readonly string[] = ['echo'],
  options: Pick<WorkerOptions, 'claimTtlMs' | 'lanes' | 'workerId'> = {},
) {
  const adapter = await openPlace(place)
  const worker = await startWorker({
    adapter,
    concurrency: 4,
    ...options,
    handlers: kinds.map((kind) => ({
      kind,
      prepare: (input: unknown) => ({ run: () => input }),
      outputIssues: () => null,
    })),
  })
  return {
    close: async () => {
      await worker.close({ drainMs: 0 })
      await adapter.close()
    },
  }
}

/** Takes a run up and brings it to its end: dispatches what is not in the log yet, accepts, completes. */
export async function finishRun({ place, run: options, tasks }: Work): Promise<void> {
  const adapter = await openPlace(place)
  try {
    const run = await openRun({ adapter, ...options })
    await run.dispatch(tasks)
    const deadline = AbortSignal.timeout(deadlineMs)
    for await (const result of run.results({ signal: deadline })) {
      if (result.status === 'stopped') await result.abandon(result.reason ?? '')
      else await result.accept()
    }
    deadline.throwIfAborted()
    await run.complete('everything is done', { evidence: evidenceFor(options) })
    await run.close()
  } finally {
    await adapter.close()
  }
}

/** What shows that a run whose every task is settled has met its criteria. */
export const evidenceFor = ({ successCriteria = [] }: Pick<OpenRunOptions, 'successCriteria'>) =>
  successCriteria.map((criterion) => ({ criterion, evidence: 'every task is settled' }))
