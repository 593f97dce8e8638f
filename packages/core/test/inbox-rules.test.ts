import { describe, expect, it } from 'vitest'
import { checkMessages, type InboxMessage, isBodyTooLarge, type RunId } from '../src/adapter.js'
import { limits } from '../src/protocol/limits.js'
import { memoryAdapter } from '../src/testing.js'

const runId = 'run-1' as RunId
const message = (seq: number, body = '{}'): InboxMessage => ({ sender: 'worker-1', seq, kind: 'command', body })

describe('what an inbox refuses to send', () => {
  it('is a number that does not count from 1, or has more than fifteen digits', () => {
    checkMessages(
      runId,
      [1, 2, 1e15 - 1].map((seq) => message(seq)),
    )
    for (const seq of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e15, Number.MAX_SAFE_INTEGER + 1]) {
      expect(() => checkMessages(runId, [message(seq)]), String(seq)).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT', details: { runId, sender: 'worker-1', seq } }),
      )
    }
  })

  it('is a body of more than messageBytesMax bytes of UTF-8, and not one of as many', () => {
    const bytesMax = limits.messageBytesMax
    for (const filler of ['x', 'é', '€', '😀']) {
      const whole = filler.repeat(Math.floor(bytesMax / Buffer.byteLength(filler)))
      const largest = whole + 'x'.repeat(bytesMax - Buffer.byteLength(whole))
      checkMessages(runId, [message(1, largest)])
      expect([isBodyTooLarge(largest), isBodyTooLarge(`${largest}x`)]).toEqual([false, true])
      expect(() => checkMessages(runId, [message(1, `${largest}x`)])).toThrow(
        expect.objectContaining({ code: 'TOO_LARGE', details: { runId, sender: 'worker-1', seq: 1, bytesMax } }),
      )
    }
  })

  it('keeps the whole call from being sent, also in memory', async () => {
    const { inbox } = memoryAdapter()
    await expect(inbox.send(runId, [message(1), message(0)])).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    const ended = new AbortController()
    const received: InboxMessage[] = []
    await inbox.receive(
      runId,
      async (messages, caughtUp) => {
        received.push(...messages)
        if (caughtUp) ended.abort()
      },
      ended.signal,
    )
    expect(received).toEqual([])
  })
})
