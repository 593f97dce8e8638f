import { openRun, type Run, type TaskRequest, type TaskResult } from '@reprise/core'
import {
  acceptedTasks,
  dataOf,
  type LogFacts,
  logFacts,
  openPlace,
  type Place,
  type ProcessFleet,
  startEchoWorker,
} from '@reprise/test-fleet'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { anyPlace } from './any-place.js'

const runId = 'failures'
const deliveriesMax = 2
const claimTtlMs = 1_500

const task = (taskId: string, kind: string, options: Partial<TaskRequest> = {}): TaskRequest => ({
  ...{ taskId, kind, input: { of: taskId } },
  ...options,
})
/** Those with a time of their own are meant to run out of it, on a slow machine more than once; all others have an hour. */
const tasks = [
  task('frozen', 'freeze', { lane: 'ice', timeoutMs: 3_000, attemptsMax: 50 }),
  task('poison', 'die', { lane: 'poison' }),
  task('stalled', 'stall-first', { timeoutMs: 3_000, attemptsMax: 50 }),
  task('fails-once', 'fail-first'),
  task('fails', 'fail'),
  task('unrecoverable', 'stop'),
  task('half-accepted', 'half-first'),
  task('half-retried', 'half-first'),
  task('refused', 'nobody-knows-this'),
  ...['a', 'b', 'c'].map((name) => task(name, 'echo')),
]
const accepted = ['a', 'b', 'c', 'fails-once', 'frozen', 'half-accepted', 'half-retried', 'stalled']
const stopped = ['fails', 'poison', 'refused', 'unrecoverable']

interface Told {
  readonly results: readonly TaskResult[]
  readonly briefing: string
  /** The one in which its worker stopped. */
  readonly frozenAttempt: number
  readonly facts: LogFacts
}

/** One run in which everything goes wrong once, and which ends all the same. */
async function play(place: Place, fleet: ProcessFleet): Promise<Told> {
  const startWorker = (workerId: string, options: object) =>
    fleet.start('worker', { place, claimTtlMs, workerId, ...options })
  const healthy = startWorker('healthy', { concurrency: 8 })
  const frozen = startWorker('frozen', { lanes: ['ice'] })
  await Promise.all([healthy.line('working'), frozen.line('working')])
  const adapter = await openPlace(place)
  const run = await openRun({
    ...{ adapter, runId, goal: 'survive everything' },
    policy: { deliveriesMax, attemptsMax: 2, retryBackoffMs: 10, attemptTimeoutMs: 3_600_000 },
  })
  const expired = new Set<number>()
  run.on('attempt-expired', ({ taskId, attempt }) => taskId === 'frozen' && expired.add(attempt))
  await run.dispatch(tasks)
  const results: TaskResult[] = []
  const settled = settleAll(run, results)

  for (let death = 1; death <= deliveriesMax; death++) {
    const dying = startWorker(`poisoned-${death}`, { lanes: ['poison'] })
    expect(await dying.end()).toBe('SIGKILL')
  }
  // Nobody else may have begun what is frozen.
  const { attempt: frozenAttempt } = await frozen.line('holding')
  await vi.waitUntil(() => expired.has(frozenAttempt as number), { timeout: 60_000 })
  const heir = await startEchoWorker(place, ['freeze', 'die'], {
    lanes: ['poison', 'ice'],
    workerId: 'heir',
    claimTtlMs,
  })
  await settled
  const late = new Promise<void>((resolve) => {
    run.on('receipt-rejected', ({ taskId }) => taskId === 'frozen' && resolve())
  })
  frozen.signal('SIGCONT')
  await Promise.all([late, frozen.line('receipt')])

  const briefing = (await run.briefing()).text
  for (const taskId of stopped) await run.abandon(taskId, 'seen, and given up')
  await run.complete('everything that could be done is done')
  await run.close()
  await adapter.close()
  await heir.close()
  await fleet.endAll()
  return { results, briefing, frozenAttempt: frozenAttempt as number, facts: await logFacts(place, runId) }
}

/** Accepts what is good, retries one half, and leaves what stopped until it was looked at. */
async function settleAll(run: Run, results: TaskResult[]): Promise<void> {
  for await (const result of run.results()) {
    results.push(result)
    if (result.taskId === 'half-retried' && result.attempt === 1) await result.retry('the other half, please')
    else if (result.status !== 'stopped') await result.accept()
  }
}

const places = anyPlace.map(({ name, use }) => ({ name, stage: use() }))
const stories = new Map<string, Told>()
// Side by side: most of it is waiting.
beforeAll(async () => {
  const playAt = async ({ name, stage }: (typeof places)[number]) => {
    stories.set(name, await play(await stage.newPlace(), stage.fleet))
  }
  await Promise.all(places.map(playAt))
}, 120_000)

describe.each(places)('a run over $name in which everything goes wrong', ({ name }) => {
  let told: Told
  beforeAll(() => {
    told = stories.get(name) as Told
  })

  const attemptsOf = (taskId: string) =>
    dataOf(told.facts, 'dispatched').flatMap((one) => (one.taskId === taskId ? [one.attempt] : []))
  const receiptsOf = (taskId: string) =>
    dataOf(told.facts, 'receipt-received').flatMap(({ receipt }) => (receipt.taskId === taskId ? [receipt] : []))
  const expiriesOf = (taskId: string) =>
    dataOf(told.facts, 'attempt-expired').flatMap((one) => (one.taskId === taskId ? [one.attempt] : []))
  const rejectionsOf = (taskId: string) =>
    dataOf(told.facts, 'task-rejected').flatMap((one) =>
      one.taskId === taskId ? [{ by: one.by, reason: one.reason }] : [],
    )
  const resultsOf = (taskId: string) => told.results.filter((one) => one.taskId === taskId)

  it('ends complete, with every task that can be done accepted once and every other one given up', () => {
    expect(acceptedTasks(told.facts)).toEqual(accepted)
    const abandoned = dataOf(told.facts, 'task-abandoned').map(({ taskId }) => taskId)
    expect(abandoned.sort()).toEqual(stopped)
    expect(dataOf(told.facts, 'run-completed')).toHaveLength(1)
    expect(told.facts.epochs).toHaveLength(1)
  })

  it('isolates a task that kills every worker after as many deliveries as allowed, and says how often and whose', () => {
    expect(attemptsOf('poison')).toEqual([1])
    const [receipt] = receiptsOf('poison')
    expect(receipt).toMatchObject({
      status: 'failed',
      worker: { id: 'heir' },
      error: { code: 'POISON', retryable: false },
    })
    // NATS does not keep who had a message.
    const whose = name === 'nats' ? '' : ' (poisoned-1, poisoned-2)'
    const message = `the attempt was handed out 3 times, 2 are allowed: its workers died or gave it back${whose}`
    expect(receipt?.error?.message).toBe(message)
    expect(rejectionsOf('poison')).toEqual([{ by: 'policy', reason: `attempt 1 failed: ${message}` }])
    expect(resultsOf('poison')).toMatchObject([{ status: 'stopped', reason: `attempt 1 failed: ${message}` }])
  })

  it('makes another attempt after one that failed, and accepts that', () => {
    expect(attemptsOf('fails-once')).toEqual([1, 2])
    expect(receiptsOf('fails-once').map(({ status }) => status)).toEqual(['failed', 'completed'])
    expect(rejectionsOf('fails-once')).toEqual([{ by: 'policy', reason: 'attempt 1 failed: not this time' }])
    expect(resultsOf('fails-once')).toMatchObject([{ status: 'completed', attempt: 2 }])
  })

  it('stops a task whose attempts are used up, with the reason of the last', () => {
    expect(attemptsOf('fails')).toEqual([1, 2])
    expect(resultsOf('fails')).toMatchObject([
      { status: 'stopped', reason: 'attempt 2 failed: no luck with attempt 2' },
    ])
  })

  it('never retries what the worker says is vain, and shows its stop point and how to go on to program and briefing', () => {
    expect(attemptsOf('unrecoverable')).toEqual([1])
    const error = {
      ...{ message: 'the bridge is down', code: 'NO_BRIDGE', retryable: false },
      ...{ stoppedAt: 'mile 7', resumeInstructions: 'start at mile 7 once the bridge stands' },
    }
    expect(receiptsOf('unrecoverable')).toMatchObject([{ status: 'failed', error }])
    expect(resultsOf('unrecoverable')).toMatchObject([
      { status: 'stopped', reason: 'attempt 1 failed: the bridge is down', receipt: { error } },
    ])
    for (const text of [error.message, error.stoppedAt, error.resumeInstructions]) {
      expect(told.briefing).toContain(text)
    }
  })

  it('hands partial work over as partial: the program accepts it, or asks for another attempt', () => {
    const half = { status: 'partial', output: { done: 'half' }, error: { stoppedAt: 'page 12' } }
    expect(receiptsOf('half-accepted')).toMatchObject([half])
    expect(resultsOf('half-accepted')).toMatchObject([{ status: 'partial', reason: 'half is done', attempt: 1 }])
    expect(receiptsOf('half-retried')).toMatchObject([half, { status: 'completed' }])
    expect(rejectionsOf('half-retried')).toEqual([{ by: 'evaluator', reason: 'the other half, please' }])
    expect(resultsOf('half-retried').map(({ status, attempt }) => [status, attempt])).toEqual([
      ['partial', 1],
      ['completed', 2],
    ])
  })

  it('stops a task that every worker refuses', () => {
    expect(attemptsOf('refused')).toEqual([1, 2])
    expect(receiptsOf('refused')).toMatchObject([
      { status: 'refused', error: { code: 'UNKNOWN_KIND' } },
      { status: 'refused', error: { code: 'UNKNOWN_KIND' } },
    ])
    expect(resultsOf('refused')).toMatchObject([{ status: 'stopped' }])
  })

  it('ends an attempt at its deadline whose worker is alive and gets nowhere, and makes another', () => {
    const last = attemptsOf('stalled').length
    expect(last).toBeGreaterThan(1)
    // Coordinator and worker look at the same deadline: whichever is first, the other one changes nothing.
    const given = receiptsOf('stalled').filter(({ attempt }) => attempt < last)
    expect(expiriesOf('stalled').length + given.length).toBe(last - 1)
    for (const receipt of given) expect(receipt).toMatchObject({ status: 'failed', error: { code: 'DEADLINE' } })
    expect(resultsOf('stalled')).toMatchObject([{ status: 'completed', attempt: last }])
  })

  it('expires an attempt whose worker stands still, and refuses its receipt when that comes after all', () => {
    const last = attemptsOf('frozen').length
    expect(last).toBeGreaterThan(told.frozenAttempt)
    expect(expiriesOf('frozen')).toEqual(Array.from({ length: last - 1 }, (_, i) => i + 1))
    expect(receiptsOf('frozen')).toMatchObject([{ attempt: last, worker: { id: 'heir' } }])
    const rejected = dataOf(told.facts, 'receipt-rejected').filter(({ taskId }) => taskId === 'frozen')
    // On a slow machine an attempt of its heir may be late as well: that is refused like the first.
    const late = rejected.map(({ attempt }) => attempt)
    expect(late).toContain(told.frozenAttempt)
    expect(new Set(late).size).toBe(late.length)
    expect(rejected.every(({ gate, attempt }) => gate === 'current-attempt' && Number(attempt) < last)).toBe(true)
  })
})
