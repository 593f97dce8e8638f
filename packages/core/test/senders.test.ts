import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { initialState, reduceEvent } from '../src/flow/reduce-event.js'
import { isDecided, markDecided } from '../src/flow/senders.js'
import type { Cause, RunEvent } from '../src/protocol/events.js'
import { limits } from '../src/protocol/limits.js'
import { checkProperty } from './property-run.js'

const file = 'packages/core/test/senders.test.ts'

const from = (sender: string, ...seqs: number[]) => seqs.map((seq) => ({ sender, seq }))
function after(...messages: { sender: string; seq: number }[]) {
  const state = initialState()
  for (const message of messages) markDecided(state, message)
  return state
}
const decidedOf = (state: ReturnType<typeof initialState>, upTo: number) =>
  Array.from({ length: upTo }, (_, i) => i + 1).filter((seq) => isDecided(state, { sender: 'w', seq }))

describe('remembering which messages were decided', () => {
  it('knows none of a sender that it has not heard of', () => {
    expect(isDecided(initialState(), { sender: 'w', seq: 1 })).toBe(false)
  })

  it('takes one number for messages that came in order', () => {
    const state = after(...from('w', 1, 2, 3))
    expect(state.senders.get('w')).toEqual({ next: 4, ahead: new Set() })
    expect(decidedOf(state, 5)).toEqual([1, 2, 3])
  })

  it('keeps those that came before their turn until the gap closes', () => {
    const state = after(...from('w', 1, 3, 4))
    expect(decidedOf(state, 5)).toEqual([1, 3, 4])
    markDecided(state, { sender: 'w', seq: 2 })
    expect(state.senders.get('w')).toEqual({ next: 5, ahead: new Set() })
  })

  it('takes a message as decided by the last event of its decision only', () => {
    const note = (cause: Cause): RunEvent => ({ type: 'note-added', v: 1, data: { text: 'x' }, cause })
    const state = initialState()
    reduceEvent(state, note({ sender: 'w', seq: 1, more: true }))
    expect(decidedOf(state, 1)).toEqual([])
    reduceEvent(state, note({ sender: 'w', seq: 1 }))
    expect(decidedOf(state, 1)).toEqual([1])
  })

  it('keeps senders apart', () => {
    const state = after(...from('w', 1), ...from('v', 2))
    expect(isDecided(state, { sender: 'v', seq: 1 })).toBe(false)
    expect(isDecided(state, { sender: 'w', seq: 2 })).toBe(false)
  })

  it('gives a gap up once too many wait behind it, so that memory stays bounded', () => {
    const behind = Array.from({ length: limits.inboxGapMax + 1 }, (_, i) => i + 2)
    const state = after(...from('w', ...behind.slice(0, -1)))
    expect(state.senders.get('w')?.ahead.size).toBe(limits.inboxGapMax)
    expect(isDecided(state, { sender: 'w', seq: 1 })).toBe(false)
    markDecided(state, { sender: 'w', seq: limits.inboxGapMax + 2 })
    expect(state.senders.get('w')).toEqual({ next: limits.inboxGapMax + 3, ahead: new Set() })
    expect(isDecided(state, { sender: 'w', seq: 1 })).toBe(true)
  })

  it('equals a plain set for any order and repetition within the bound', async ({ task: { name } }) => {
    await checkProperty(name, file, fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 120 }), async (seqs) => {
      expect(decidedOf(after(...from('w', ...seqs)), 60)).toEqual([...new Set(seqs)].sort((a, b) => a - b))
    })
  })
})
