import { describe, expect, it } from 'vitest'
import type { InboxMessage } from '../src/ports/inbox.js'
import { PeekedMessages } from '../src/ports/peeked-messages.js'
import type { RepriseError } from '../src/protocol/errors.js'
import { runId } from './run-stage.js'

const message = (seq: number, sender = 'a'): InboxMessage => ({ sender, seq, kind: 'receipt', body: '{}' })
const codeOf = (call: () => unknown): string => {
  try {
    call()
    return 'none'
  } catch (error) {
    return (error as RepriseError).code
  }
}

describe('messages that a look has found', () => {
  it('are at most as many as were asked for, each once, in the order in which they came', () => {
    const found = new PeekedMessages(runId, 3)
    expect([1, 1, 2].map((seq) => found.take(message(seq)))).toEqual([true, true, true])
    expect(found.room).toBe(1)
    expect([found.take(message(1, 'b')), found.take(message(3))]).toEqual([false, false])
    expect(found.messages).toEqual([message(1), message(2), message(1, 'b')])
  })

  it('tell senders apart whose names hold numbers and spaces', () => {
    const found = new PeekedMessages(runId, 10)
    for (const [sender, seq] of [
      ['a', 11],
      ['a 1', 1],
      ['a1', 1],
    ] as const)
      found.take(message(seq, sender))
    expect(found.messages).toHaveLength(3)
  })

  it.each([0, -1, 1.5, 1_001, Number.NaN, '5', undefined])('are refused to who asks for %s', (max) => {
    expect(codeOf(() => new PeekedMessages(runId, max as number))).toBe('INVALID_INPUT')
  })

  it('end by a deadline, however much else lies in the inbox', () => {
    const found = new PeekedMessages(runId, 1_000)
    expect([0, 30_000, 30_001].map((elapsedMs) => codeOf(() => found.checkTime(elapsedMs)))).toEqual([
      ...['none', 'none'],
      'ADAPTER_UNAVAILABLE',
    ])
  })
})
