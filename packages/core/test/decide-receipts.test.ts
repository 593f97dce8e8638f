import { describe, expect, it } from 'vitest'
import type { InternalCommand } from '../src/flow/decide-command.js'
import { noEvidence, readReceipt } from '../src/flow/receipt-gates.js'
import type { TaskId } from '../src/protocol/ids.js'
import { canonicalJson } from '../src/protocol/json.js'
import { dispatch, failed, GivenRun, given, open, receipt, receiptText, settled } from './given-run.js'

/** Several receipts in one decision, as their text and number. */
const batch = (...texts: [text: string, seq: number][]): InternalCommand => ({
  type: 'record-receipts',
  receipts: texts.map(([text, seq]) => ({
    cause: { sender: 'worker-9', seq },
    incoming: readReceipt(text),
    evidence: noEvidence,
  })),
})

describe('recording receipts', () => {
  it('keeps the receipt and names the message that it answers', () => {
    const { events } = given({}, dispatch('a')).when(receipt('a', { output: { lines: 7 } }))
    expect(events).toMatchObject([
      {
        type: 'receipt-received',
        data: { receipt: { taskId: 'a', output: { lines: 7 } }, verified: { artifacts: 0, bytes: 0 } },
        cause: { sender: 'worker-1', seq: 1 },
      },
    ])
  })

  it('says how many artifacts and bytes were read', () => {
    const artifact = { name: 'x', path: 'sha256/ab', sha256: 'a'.repeat(64), bytes: 12 }
    const evidence = { artifacts: [{ ok: true as const, artifact }], outputProblem: null }
    const { events } = given({}, dispatch('a')).when(receipt('a', { artifacts: [artifact] }, evidence))
    expect(events[0]?.data).toMatchObject({ verified: { artifacts: 1, bytes: 12 } })
  })

  it('gives one event per message, in their order', () => {
    const run = given({}, dispatch('a', 'b'))
    const texts = [receiptText(run, 'b'), 'not JSON', receiptText(run, 'a')]
    run
      .when(batch(...texts.map((text, i): [string, number] => [text, i + 1])))
      .gives('receipt-received b 1', 'receipt-rejected schema', 'receipt-received a 1')
  })

  it('is done while recovering too, before any dispatch', () => {
    const taken = {
      type: 'take-over',
      holder: { id: 'coordinator-1', host: 'h', pid: 2 },
      reason: 'process-gone',
    } as const
    given({}, dispatch('a'), taken).when(receipt('a')).gives('receipt-received a 1')
    new GivenRun().and(open()).when(receipt('a')).gives('receipt-rejected known-task')
  })
})

describe('the text of a recorded receipt', () => {
  const decide = (text: (run: GivenRun) => string) => {
    const run = given({}, dispatch('a'))
    const { events, texts } = run.when(batch([text(run), 1])).allowed
    return { event: events[0], text: events[0] && texts.get(events[0]) }
  }
  const sealed = (run: GivenRun): string => {
    const { checksum, ...content } = JSON.parse(receiptText(run, 'a', { output: { é: '\u2028', big: 1e21 } }))
    return `${canonicalJson(content).slice(0, -1)},"checksum":"${checksum}"}`
  }

  it('is the one that the worker sealed, and reads back as the event that was folded', () => {
    const { event, text } = decide(sealed)
    expect(JSON.parse(text ?? '')).toStrictEqual(event)
    expect(Object.keys(JSON.parse(text ?? ''))).toStrictEqual(['type', 'v', 'data', 'cause'])
  })

  it('is written anew when it came in another form than the canonical one', () => {
    const spaced = decide((run) => sealed(run).replace('{', '{\n'))
    const unordered = decide((run) => receiptText(run, 'a'))
    const escaped = decide((run) => sealed(run).replace('é', '\\u00e9'))
    for (const { event, text } of [spaced, unordered, escaped]) {
      expect(event?.type).toBe('receipt-received')
      expect(text).toBeUndefined()
    }
  })
})

describe('a receipt that comes more than once', () => {
  it('gives nothing when it is the same message', () => {
    const run = given({}, dispatch('a'))
    const step = batch([receiptText(run, 'a'), 1])
    run.and(step).when(step).gives()
  })

  it('gives nothing the second time when the same message stands twice in one batch', () => {
    const run = given({}, dispatch('a'))
    run.when(batch([receiptText(run, 'a'), 1], [receiptText(run, 'a'), 1])).gives('receipt-received a 1')
  })

  it('is refused as a duplicate when it is another message, in the same batch or later', () => {
    const run = given({}, dispatch('a'))
    const text = receiptText(run, 'a')
    run.when(batch([text, 1], [text, 2])).gives('receipt-received a 1', 'receipt-rejected not-duplicate')
    run
      .and(batch([text, 1]))
      .when(batch([text, 2]))
      .gives('receipt-rejected not-duplicate')
  })

  it('is told that it is a duplicate before anything is said about its content', () => {
    const run = given({}, dispatch('a'))
    const edited = receiptText(run, 'a').replace('"lines":3', '"lines":4')
    run
      .when(batch([receiptText(run, 'a'), 1], [edited, 2]))
      .gives('receipt-received a 1', 'receipt-rejected not-duplicate')
  })

  it('changes nothing but counters, however often it comes', () => {
    const run = given({}, dispatch('a'), receipt('a'))
    const { tasks, received, spent } = structuredClone(run.state)
    for (let i = 0; i < 5; i++)
      run.and(receipt('a', { receiptId: `another-${i}`, usage: { durationMs: 1, tokens: 9 } }))
    expect(run.state).toMatchObject({ tasks, received, spent, counts: { receiptsRejected: 5, received: 1 } })
  })
})

describe('a failed or refused receipt', () => {
  it('is rejected by the policy, and the next attempt is planned after the backoff', () => {
    for (const status of ['failed', 'refused']) {
      const { events } = given({ retryBackoffMs: 250 }, dispatch('a'))
        .when(receipt('a', { status, output: null }))
        .gives('receipt-received a 1', 'task-rejected a 1 by policy', 'planned a 2 retry')
      expect(events[2]?.data).toMatchObject({ notBefore: '2026-01-01T00:00:00.250Z' })
    }
  })

  it('is not followed by another attempt when the worker says that it is vain', () => {
    given({}, dispatch('a'))
      .when(failed('a', { message: 'no such file', retryable: false }))
      .gives('receipt-received a 1', 'task-rejected a 1 by policy')
  })

  it('leaves the task stopped when the attempts are used up', () => {
    const run = given({ attemptsMax: 2, retryBackoffMs: 1 }, dispatch('a'), failed('a'))
    run.later(1).and({ type: 'advance' }).when(failed('a')).gives('receipt-received a 2', 'task-rejected a 2 by policy')
    run.and(failed('a'))
    expect(run.state.tasks.get('a' as TaskId)).toMatchObject({ phase: 'stopped', attempt: 2 })
  })

  it('counts towards spend', () => {
    const run = given(
      {},
      dispatch('a'),
      receipt('a', { status: 'failed', usage: { durationMs: 1, tokens: 4, costUsd: 0.25 } }),
    )
    expect(run.state.spent).toEqual({ tokens: 4, costUsd: 0.25 })
  })

  it('frees its slot and its memory', () => {
    const run = given({ inFlightMax: 1 }, dispatch('a'), failed('a'))
    expect(run.state.tasks.get('a' as TaskId)).toMatchObject({ phase: 'planned', receipt: null })
    run.when(dispatch('b')).gives('mode-changed awaiting dispatching', 'dispatched b 1')
  })
})

describe('a refused receipt message', () => {
  it('leaves what it claims to be about on record, bounded', () => {
    const run = given({}, dispatch('a'))
    const text = JSON.stringify({ taskId: 'a', attempt: 1, receiptId: 'r-1', extra: 'x'.repeat(10_000) })
    const [event] = run.when(batch([text, 1])).events
    expect(event?.data).toMatchObject({ gate: 'schema', taskId: 'a', attempt: 1, receiptId: 'r-1' })
    expect(JSON.stringify(event).length).toBeLessThan(1500)
  })

  it('leaves no claims that are too long or of another kind', () => {
    const text = JSON.stringify({ taskId: 'x'.repeat(513), attempt: 2 ** 60, receiptId: 7 })
    const run = given({}, ...settled('a'))
    const [event] = run.when(batch([text, 1])).events
    expect(Object.keys(event?.data ?? {})).toEqual(['gate', 'evidence'])
  })
})
