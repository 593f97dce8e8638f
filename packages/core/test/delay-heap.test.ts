import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dueDelays, hasDueDelay, popDelay, pushDelay } from '../src/flow/delay-heap.js'
import type { TaskId } from '../src/protocol/ids.js'
import type { DelayEntry } from '../src/protocol/state.js'
import { isoTime } from '../src/protocol/time.js'
import { checkProperty } from './property-run.js'

const file = 'packages/core/test/delay-heap.test.ts'

const entry = (ms: number): DelayEntry => ({ notBefore: isoTime(ms), taskId: `t${ms}` as TaskId })
const times = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 60 })
const sorted = (entries: readonly DelayEntry[]) => entries.map(({ notBefore }) => notBefore).sort()

describe('the heap of delayed tasks', () => {
  it('gives its entries back earliest first, like a sorted array, for any pushes and pops', async ({
    task: { name },
  }) => {
    await checkProperty(
      name,
      file,
      fc.array(fc.option(fc.integer({ min: 0, max: 50 })), { maxLength: 120 }),
      async (steps) => {
        const heap: DelayEntry[] = []
        const model: string[] = []
        for (const ms of steps) {
          if (ms === null) {
            popDelay(heap)
            model.shift()
          } else {
            pushDelay(heap, entry(ms))
            model.push(isoTime(ms))
            model.sort()
          }
          expect(heap[0]?.notBefore).toBe(model[0])
          expect(sorted(heap)).toEqual(model)
        }
      },
    )
  })

  it('finds exactly the entries that are due, and leaves them where they are', async ({ task: { name } }) => {
    await checkProperty(name, file, fc.tuple(times, fc.integer({ min: -1, max: 51 })), async ([all, nowMs]) => {
      const heap: DelayEntry[] = []
      for (const ms of all) pushDelay(heap, entry(ms))
      const before = [...heap]
      const now = nowMs < 0 ? '1969-12-31T23:59:59.999Z' : isoTime(nowMs)
      const due = all.filter((ms) => ms <= nowMs)
      expect(sorted(dueDelays(heap, now))).toEqual(sorted(due.map(entry)))
      expect(hasDueDelay(heap, now)).toBe(due.length > 0)
      expect(heap).toEqual(before)
    })
  })

  it('takes a pop of nothing', () => {
    const heap: DelayEntry[] = []
    popDelay(heap)
    expect(heap).toEqual([])
    expect(hasDueDelay(heap, isoTime(0))).toBe(false)
  })
})
