import { describe, expect, it } from 'vitest'
import { commandSchema } from '../src/protocol/commands.js'
import { limits } from '../src/protocol/limits.js'
import { task } from './given-run.js'

const takes = (command: unknown) => commandSchema.safeParse(command).success

describe('a command from outside', () => {
  it('has its options filled in', () => {
    expect(commandSchema.parse({ type: 'dispatch', tasks: [task('a')] })).toEqual({
      type: 'dispatch',
      tasks: [{ taskId: 'a', kind: 'work', input: { of: 'a' }, lane: 'default', priority: 5, after: [] }],
    })
  })

  it('cannot be one that only the coordinator issues', () => {
    const internal = [
      'open',
      'take-over',
      'finish-resume',
      'record-receipts',
      'expire-attempts',
      'advance',
      'release',
      'refuse-command',
    ]
    for (const type of internal) expect(takes({ type, reason: 'x', tasks: [], receipts: [] })).toBe(false)
  })

  it('is refused with keys that it does not have, __proto__ included', () => {
    expect(takes({ type: 'pause', reason: 'x', force: true })).toBe(false)
    expect(takes(JSON.parse('{"type":"pause","reason":"x","__proto__":{"a":1}}'))).toBe(false)
    expect(takes({ type: 'dispatch', tasks: [task('a', { depth: 0 } as object)] })).toBe(false)
  })

  it('is refused without a reason, or with one that is too long', () => {
    for (const type of ['pause', 'unpause', 'block', 'unblock', 'fail']) {
      expect(takes({ type, reason: '' })).toBe(false)
      expect(takes({ type, reason: 'x'.repeat(limits.textMax) })).toBe(true)
      expect(takes({ type, reason: 'x'.repeat(limits.textMax + 1) })).toBe(false)
    }
  })

  it('is refused with tasks that are out of range', () => {
    const wrong = [
      { priority: 10 },
      { priority: -1 },
      { priority: 1.5 },
      { timeoutMs: 0 },
      { attemptsMax: 0 },
      { lane: 'a b' },
    ]
    for (const options of wrong) expect(takes({ type: 'dispatch', tasks: [task('a', options)] })).toBe(false)
    const after = Array.from({ length: limits.afterMax + 1 }, (_, i) => `t${i}`)
    expect(takes({ type: 'dispatch', tasks: [task('a', { after })] })).toBe(false)
    expect(takes({ type: 'dispatch', tasks: [task('a', { after: after.slice(1) })] })).toBe(true)
  })

  it('is refused with an input that JSON cannot express, or that is nested too deep', () => {
    const deep = JSON.parse(`${'['.repeat(200_000)}${']'.repeat(200_000)}`)
    for (const input of [undefined, 1n, () => 1, Number.NaN, new Date(0), deep, JSON.parse('{"__proto__":1}')]) {
      expect(takes({ type: 'dispatch', tasks: [{ ...task('a'), input }] })).toBe(false)
    }
  })

  it('is refused when it is none at all', () => {
    for (const command of [null, 7, 'pause', [], {}, { type: 'PAUSE', reason: 'x' }]) expect(takes(command)).toBe(false)
  })
})
