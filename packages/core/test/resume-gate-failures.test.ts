import { describe, expect, it } from 'vitest'
import { checkBudget, checkMode, checkOutstanding, checkStatus } from '../src/flow/resume-checks.js'
import type { StateFileStore } from '../src/ports/state-file.js'
import type { ErrorCode } from '../src/protocol/errors.js'
import { type ResumeGate, resumeGates } from '../src/protocol/events.js'
import type { TaskId } from '../src/protocol/ids.js'
import { dispatch, given, receipt, startAt } from './given-run.js'
import { RunStage, request, requests, runId } from './run-stage.js'

/** A run with a task that is out, whose coordinator has gone. */
async function abandoned(options: Parameters<RunStage['open']>[0] = {}): Promise<RunStage> {
  const stage = new RunStage()
  const first = await stage.open(options)
  await stage.clock.run(first.run.dispatch(requests(1)))
  first.adapter.kill()
  return stage
}

/** What the log says of the attempt of `t1`, in another way. */
function lastDispatched(stage: RunStage) {
  const data = stage.of('dispatched').at(-1)
  if (data === undefined) throw new Error('nothing was dispatched')
  return data
}

const append = (stage: RunStage, ...events: object[]) =>
  stage.append(
    events.map((event) => ({ v: 1, ...event })),
    'somebody',
    2,
  )

const stateFile = (text: string | null): StateFileStore => ({
  path: 'state.md',
  read: () => Promise.resolve(text),
  replace: () => Promise.reject(new Error('EROFS: read-only file system')),
  keepAside: () => Promise.resolve('state.md.kept'),
})

interface Failure {
  readonly gate: ResumeGate
  readonly why: string
  readonly code: ErrorCode
  /** Breaks something; gives options for the opening that then fails. */
  readonly spoil: (stage: RunStage) => Parameters<RunStage['open']>[0] | undefined
  readonly says: RegExp
}

const untilTheLock: Failure[] = [
  {
    gate: 'log-integrity',
    why: 'a byte of a commit was changed',
    code: 'LOG_CORRUPT',
    spoil: (stage) => {
      const [first, ...rest] = stage.backend.recordsOf(runId)
      const text = first!.text.replace('count every line', 'count every lime')
      stage.backend.runs.records.set(runId, [{ ...first!, text }, ...rest])
      return undefined
    },
    says: /commit 0/i,
  },
  {
    gate: 'log-integrity',
    why: 'an intact commit contradicts the ones before it',
    code: 'LOG_CORRUPT',
    spoil: (stage) => void append(stage, { type: 'task-accepted', data: { taskId: 'never-heard-of', attempt: 1 } }),
    says: /is intact, and its events contradict.*never-heard-of/,
  },
  {
    gate: 'upcast',
    why: 'an event is of a later library',
    code: 'LOG_TOO_NEW',
    spoil: (stage) => void append(stage, { type: 'teleported', data: {} }),
    says: /teleported/,
  },
  {
    gate: 'lease',
    why: 'a live coordinator holds the run',
    code: 'RUN_HELD',
    spoil: (stage) => {
      const { runtime } = stage.process()
      const holder = { id: 'coordinator:host-1:77:x', host: runtime.host, pid: runtime.pid }
      void stage.process().adapter.leases.acquire(`run/${runId}`, holder, 60_000)
      return undefined
    },
    says: /coordinator:host-1:77/,
  },
  {
    gate: 'lock',
    why: 'others append whenever it tries',
    code: 'LOCK_LOST',
    spoil: (stage) => {
      stage.intercept(({ port, method, phase }) => {
        if (port === 'log' && method === 'append' && phase === 'before') {
          append(stage, { type: 'note-added', data: { text: 'I was first' } })
        }
        return 'go'
      })
      return undefined
    },
    says: /taken over by another coordinator/,
  },
  {
    gate: 'lock',
    why: 'the log takes nothing',
    code: 'ADAPTER_UNAVAILABLE',
    spoil: (stage) => {
      stage.spoil('log.append', 'fail', { times: 1_000 })
      return { appendPatienceMs: 1_000 }
    },
    says: /log.append/,
  },
]

const behindTheLock: Failure[] = [
  {
    gate: 'outstanding',
    why: 'the log takes the same task in twice',
    code: 'GATE_FAILED',
    spoil: (stage) => void append(stage, { type: 'dispatched', data: lastDispatched(stage) }),
    says: /counts 2 tasks as out, and there are 1/,
  },
  {
    gate: 'outstanding',
    why: 'an attempt is out under another digest than it would be offered with again',
    code: 'GATE_FAILED',
    spoil: (stage) => {
      const { task, ...data } = lastDispatched(stage)
      const again = { ...data, attempt: 2, digest: 'f'.repeat(64) }
      append(stage, { type: 'attempt-expired', data }, { type: 'dispatched', data: again })
      return undefined
    },
    says: /task t1 would be redelivered with another digest/,
  },
  {
    gate: 'receipts-pending',
    why: 'the inbox does not answer',
    code: 'GATE_FAILED',
    spoil: (stage) => {
      stage.hold('inbox.receive')
      return { resumeTimeoutMs: 3_000 }
    },
    says: /was not read to its end.*Look at the transport/,
  },
  {
    gate: 'budget',
    why: 'what was spent is no number',
    code: 'GATE_FAILED',
    spoil: (stage) => {
      const text = stage.receipt(stage.offer('t1'), { usage: { durationMs: 1, costUsd: '0.5' as never } })
      const data = { receipt: JSON.parse(text), verified: { artifacts: 0, bytes: 0 } }
      append(stage, { type: 'receipt-received', data })
      return undefined
    },
    says: /no limit on it can be kept/,
  },
  {
    gate: 'state-file',
    why: 'the file cannot be written',
    code: 'STATE_FILE_FAILED',
    spoil: () => ({ stateFile: stateFile(null) }),
    says: /EROFS.*Mend the path/,
  },
]

/** Without reading the commits: some tests make that impossible. */
const resumedSo = (stage: RunStage): number =>
  stage.backend.recordsOf(runId).filter(({ text }) => text.includes('"type":"resumed"')).length

describe('a resume gate that does not pass', () => {
  it.each(untilTheLock)('stops the opening and is named: $gate, when $why', async ({ gate, code, spoil, says }) => {
    const stage = await abandoned()
    const options = spoil(stage)
    const said = resumedSo(stage)
    await expect(stage.open(options)).rejects.toMatchObject({
      code,
      details: { gate },
      message: expect.stringMatching(says),
    })
    // Nobody may write to a log whose lock is not theirs.
    expect(resumedSo(stage)).toBe(said)
    expect(stage.queued).toEqual(['t1/1'])
  })

  it.each(behindTheLock)(
    'is in the log with its evidence, and nothing goes out: $gate, when $why',
    async ({ gate, code, spoil, says }) => {
      const stage = await abandoned()
      const options = spoil(stage)
      const dispatched = stage.of('dispatched').length
      const opening = stage.open(options)
      await expect(opening).rejects.toMatchObject({ code, details: { gate }, message: expect.stringMatching(says) })
      const { gates } = stage.of('resumed').at(-1)!
      expect(gates.map((one) => one.gate)).toEqual(resumeGates.slice(0, resumeGates.indexOf(gate) + 1))
      expect(gates.map(({ pass }) => pass)).toEqual([...gates.slice(1).map(() => true), false])
      expect(gates.at(-1)?.evidence).toMatch(says)
      expect(stage.events.at(-1)?.type).toBe('resumed')
      expect(stage.of('dispatched')).toHaveLength(dispatched)
      expect(stage.backend.leases.held.size).toBe(0)
    },
  )

  it('is mode, when the log says closed and does not say how the run ended', async () => {
    const stage = await abandoned()
    append(stage, { type: 'mode-changed', data: { from: 'awaiting', to: 'closed', reason: 'because' } })
    const { length } = stage.commits
    await expect(stage.open()).rejects.toMatchObject({
      code: 'GATE_FAILED',
      details: { gate: 'mode' },
      message: expect.stringMatching(/has no run-completed or run-failed/),
    })
    expect(stage.commits).toHaveLength(length)
  })

  it('keeps nothing from the next opening when its reason has gone', async () => {
    const stage = await abandoned()
    const inbox = stage.hold('inbox.receive')
    await expect(stage.open({ resumeTimeoutMs: 1_000 })).rejects.toMatchObject({ code: 'GATE_FAILED' })
    inbox.release()
    const { run } = await stage.open()
    expect(run.gates.every(({ pass }) => pass)).toBe(true)
    expect(run.status).toMatchObject({ mode: 'awaiting', counts: { out: 1 } })
  })
})

describe('a mode that the log should not have been left in', () => {
  it('is corrected on record, with what the log supports, when a crash cut a decision in two', async () => {
    const stage = await abandoned()
    // The first part of a dispatch that was split: its mode change stands, what leaves it would have come later.
    const spec = { ...request('t2'), lane: 'default', priority: 5, after: [], depth: 0 }
    append(
      stage,
      { type: 'mode-changed', data: { from: 'awaiting', to: 'dispatching', reason: 'there are tasks to dispatch' } },
      { type: 'planned', data: { taskId: 't2', attempt: 1, why: 'no-slot', task: spec } },
    )
    const { run } = await stage.open({ expectMode: 'awaiting' })
    expect(stage.of('resumed').at(-1)?.corrections).toEqual([
      'mode: the caller expected awaiting, the log says dispatching; the log is right',
      'mode: the log was left dispatching, what it holds supports awaiting',
    ])
    expect(run.status).toMatchObject({ mode: 'awaiting', counts: { out: 2 } })
  })

  it('is corrected on record when somebody went on without passing the gates', async () => {
    const stage = await abandoned()
    const holder = { id: 'somebody', host: 'h', pid: 1 }
    append(stage, { type: 'lock-acquired', data: { holder, reason: 'forced' } })
    await stage.open()
    expect(stage.of('resumed').at(-1)?.corrections).toMatchObject([
      expect.stringMatching(/whose resume gates never passed$/),
    ])
  })
})

describe('what the gates find in a state', () => {
  const { state, context } = given({}, dispatch('a', 'b'), receipt('a'), { type: 'pause', reason: 'lunch' })

  it('is evidence, and no problem, for every state that decisions lead to', () => {
    expect(checkMode(state, 'evaluating')).toMatchObject({ problem: null, corrections: [] })
    expect(checkStatus(state)).toMatchObject({ problem: null, evidence: 'the log says paused (lunch)' })
    expect(checkOutstanding(state, startAt)).toMatchObject({
      problem: null,
      evidence: '1 attempts out, 0 of them overdue; 0 tasks planned',
    })
    expect(checkBudget(state, context)).toMatchObject({ problem: null })
  })

  it('is a problem when the status is not what mode and reasons make it', () => {
    expect(checkStatus({ ...state, status: 'running' }).problem).toMatch(/is running.*make it paused/)
  })

  it('is a problem when a task is lost between what was taken in and what is open or settled', () => {
    const settled = new Map([...state.settled, ['c' as TaskId, 0]])
    expect(checkOutstanding({ ...state, settled }, startAt).problem).toBe(
      'the log took 2 tasks in, and 3 are open or settled',
    )
  })

  it('names both when a run is blocked and paused at once', () => {
    expect(checkStatus({ ...state, status: 'blocked', blockedReason: 'no key' }).evidence).toBe(
      'the log says blocked (no key), and paused as well',
    )
  })
})
