import { describe, expect, it } from 'vitest'
import { HeldDelivery, type Offer, type RunId, type TaskId } from '../src/adapter.js'

const ids = { runId: 'run-1' as RunId, taskId: 't1' as TaskId, attempt: 2 }
const offer: Offer = { ...ids, lane: 'default', digest: 'd', body: '{}' }

describe('a held delivery', () => {
  it.each(['looks before', 'looks after'])('tells a handler that %s why its claim is gone', (when) => {
    const held = new HeldDelivery(offer, 3)
    if (when === 'looks before') expect(held.signal.aborted).toBe(false)
    held.abort('CLAIM_LOST', 'this worker was silent for too long')
    expect(held.signal.aborted).toBe(true)
    expect(held.signal.reason).toMatchObject({ code: 'CLAIM_LOST', details: ids })
    expect(held.signal).toBe(held.signal)
  })

  it('keeps what the handler said last, as JSON, by a method that may be taken off it', () => {
    const held = new HeldDelivery(offer, 1)
    expect(held.reached).toBe(undefined)
    const { progress } = held
    const value = { done: 1 }
    progress(value)
    value.done = 2
    expect(held.reached).toBe('{"done":1}')
    progress(undefined)
    expect(held.reached).toBe(undefined)
  })

  it('refuses progress of more than 1 KiB of JSON, and keeps what was said before', () => {
    const held = new HeldDelivery(offer, 1)
    held.progress('é'.repeat(511))
    expect(Buffer.byteLength(held.reached ?? '')).toBe(1024)
    expect(() => held.progress(`${'é'.repeat(511)}x`)).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }))
    expect(Buffer.byteLength(held.reached ?? '')).toBe(1024)
  })
})
