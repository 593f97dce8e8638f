import { describe, expect, it } from 'vitest'
import { isRepriseError } from '../src/protocol/errors.js'
import { type StoredEvent, type UpcastSteps, upcastEvent } from '../src/protocol/upcast.js'

const note = (v: number, data: unknown): StoredEvent => ({ type: 'note-added', v, data })
const steps: UpcastSteps = new Map<string, (data: unknown) => unknown>([
  ['note-added@1', (data) => ({ body: (data as { text: string }).text })],
  ['note-added@2', (data) => ({ ...(data as object), tone: 'calm' })],
])

/** The code with which an event is refused. */
function refusal(stored: StoredEvent, withSteps?: UpcastSteps): string {
  try {
    upcastEvent(stored, withSteps)
  } catch (error) {
    return isRepriseError(error) ? error.code : 'other'
  }
  return 'none'
}

describe('upcasting', () => {
  it('leaves an event in its newest form as it is: the same object', () => {
    const event = note(1, { text: 'x' })
    expect(upcastEvent(event)).toBe(event)
  })

  it('takes the steps from the event’s version to the newest, one by one', () => {
    expect(upcastEvent(note(1, { text: 'x' }), steps)).toEqual(note(3, { body: 'x', tone: 'calm' }))
    expect(upcastEvent(note(2, { body: 'y' }), steps)).toEqual(note(3, { body: 'y', tone: 'calm' }))
    expect(upcastEvent(note(3, { body: 'z', tone: 'sad' }), steps)).toEqual(note(3, { body: 'z', tone: 'sad' }))
  })

  it('keeps the cause of an event', () => {
    const cause = { sender: 's', seq: 1 }
    expect(upcastEvent({ ...note(1, { text: 'x' }), cause }, steps)).toMatchObject({ cause })
  })

  it('leaves events of other types alone', () => {
    const paused = { type: 'paused', v: 1, data: { reason: 'x' } }
    expect(upcastEvent(paused, steps)).toEqual(paused)
  })

  it('refuses a type or version of a later library: nothing is guessed', () => {
    expect(refusal({ type: 'teleported', v: 1, data: {} })).toBe('LOG_TOO_NEW')
    expect(refusal(note(2, {}))).toBe('LOG_TOO_NEW')
    expect(refusal(note(4, {}), steps)).toBe('LOG_TOO_NEW')
    expect(refusal({ type: 'teleported', v: 1, data: {} }, steps)).toBe('LOG_TOO_NEW')
  })

  it('refuses a type that is a name of every object, and versions that are none', () => {
    for (const type of ['__proto__', 'constructor', 'toString', '']) {
      expect(refusal({ type, v: 1, data: {} })).toBe('LOG_TOO_NEW')
      expect(refusal({ type, v: 1, data: {} }, steps)).toBe('LOG_TOO_NEW')
    }
    for (const v of [0, -1, 1.5, Number.NaN, '1']) expect(refusal(note(v as number, {}))).toBe('LOG_TOO_NEW')
  })

  it('says what the log holds, what is known, and what to do, in a bounded message', () => {
    expect(() => upcastEvent({ type: 'x'.repeat(9999), v: 1, data: {} })).toThrow(/^.{50,300}$/)
  })
})
