import { describe, expect, it } from 'vitest'
import { splitDecision } from '../src/coordinator/split-decision.js'
import type { RunEvent } from '../src/protocol/events.js'
import { describeEvent } from './describe-event.js'
import { dispatch, failed, given } from './given-run.js'

/** The parts of a decision, in sentences. */
function partsOf(events: readonly RunEvent[], bytesMax: number): string[][] {
  const texts = events.map((event) => JSON.stringify(event))
  let from = 0
  return splitDecision(events, texts, bytesMax).map(({ end, bytes }) => {
    expect(bytes).toBe(texts.slice(from, end).reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0))
    const part = events.slice(from, end).map(describeEvent)
    from = end
    return part
  })
}
const note = (text: string): RunEvent => ({ type: 'note-added', v: 1, data: { text } })
const sizeOf = (event: RunEvent) => Buffer.byteLength(JSON.stringify(event)) + 1

describe('a decision larger than a commit', () => {
  it('fills each part up to the last byte of UTF-8', () => {
    const events = ['ü', 'ö', 'ä', 'ß'].map(note)
    const size = sizeOf(note('ü'))
    expect(partsOf(events, 2 * size).map(({ length }) => length)).toEqual([2, 2])
    expect(partsOf(events, 2 * size - 1).map(({ length }) => length)).toEqual([1, 1, 1, 1])
  })

  it('is not cut between a receipt, its rejection and the retry that follows, wherever the limit falls', () => {
    const run = given({ attemptsMax: 2 }, dispatch('a', 'b', 'c'))
    const events = ['a', 'b', 'c'].flatMap((taskId) => run.when(failed(taskId)).events)
    const groups = ['a', 'b', 'c'].map((id) => run.when(failed(id)).events.map(describeEvent))
    const total = events.reduce((sum, event) => sum + sizeOf(event), 0)
    for (let bytesMax = Math.ceil(total / 3) + 1; bytesMax < total; bytesMax += 7) {
      const parts = partsOf(events, bytesMax)
      expect(parts.flat()).toEqual(groups.flat())
      expect(parts.every(({ length }) => length % 3 === 0)).toBe(true)
    }
  })

  it('is cut between events about different tasks', () => {
    const run = given({ attemptsMax: 1 }, dispatch('a', 'b'))
    const events = run.when(failed('a')).events.slice(1)
    const other = run.when(failed('b')).events.slice(1)
    expect(partsOf([...events, ...other], 1)).toEqual([
      ['task-rejected a 1 by policy'],
      ['task-rejected b 1 by policy'],
    ])
  })
})
