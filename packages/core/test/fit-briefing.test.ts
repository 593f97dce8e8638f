import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Briefing } from '../src/flow/briefing.js'
import { briefingText } from '../src/flow/briefing-text.js'
import { type CountTokens, droppingOrder, estimateTokens, fitBriefing } from '../src/flow/fit-briefing.js'
import { isRepriseError } from '../src/protocol/errors.js'
import { histories, runOf } from './any-history.js'
import { briefed, richRun } from './briefed-run.js'
import { dispatch, failed, given, receipt, type Step, settled, task } from './given-run.js'
import { checkProperty } from './property-run.js'

const file = 'packages/core/test/fit-briefing.test.ts'
const token = 'rct1.content.signature'

const counters: readonly CountTokens[] = [
  estimateTokens,
  (text) => text.length,
  (text) => text.split(/\s+/).length,
  // One that finds longer what we made shorter.
  (text) => 3_000 - Math.min(2_900, text.split('\n').length),
]

function fitTo(whole: Briefing, budget: number, count: CountTokens = estimateTokens) {
  try {
    return fitBriefing(whole, budget, count, token)
  } catch (error) {
    if (!isRepriseError(error, 'TOO_LARGE')) throw error
    return error.details.tokensMin as number
  }
}

/** A run with much of everything. */
function largeRun() {
  const run = given({ inFlightMax: 1_000, attemptsMax: 2 })
  const refused: Step = { type: 'refuse-command', command: 'fail', refusal: { code: 'NO_CHANGE', message: 'x' } }
  const long = 'A long text about what was done and why. '.repeat(20)
  for (let i = 0; i < 20; i++) run.and(...settled(`done${i}`), { type: 'note', text: long })
  const ids = Array.from({ length: 120 }, (_, i) => `task-${i}`)
  run.and(dispatch(...ids.map((id) => task(id, { input: { long } }))))
  run.and(dispatch(...ids.map((id) => task(`after-${id}`, { after: [id] }))))
  const spawnRequests = [{ taskId: 'asked', kind: 'work', input: null }]
  for (const id of ids.slice(0, 40)) run.and(receipt(id, { output: { long }, spawnRequests }))
  for (const id of ids.slice(40, 60)) run.and(failed(id, { message: long, stoppedAt: long, retryable: false }))
  for (let i = 0; i < 20; i++) run.and({ type: 'close-round', summary: long }, refused)
  return run.and({ type: 'block', reason: long })
}

describe('a briefing with a budget of tokens', () => {
  it('fits, or names the least budget that does, which then does: for any history, budget and counter', async ({
    task: { name },
  }) => {
    const cases = fc.tuple(histories, fc.integer({ min: 1, max: 9_000 }), fc.constantFrom(...counters))
    await checkProperty(name, file, cases, async ([steps, budget, count]) => {
      const whole = briefed(runOf(steps))
      const fitted = fitTo(whole, budget, count)
      const [least, used] = typeof fitted === 'number' ? [fitted, fitTo(whole, fitted, count)] : [0, fitted]
      if (typeof used === 'number') throw new Error(`${least} was named as the least budget, and does not do`)
      expect(used.tokens).toBe(count(used.text))
      expect(used.tokens).toBeLessThanOrEqual(Math.max(budget, least))
      if (typeof fitted === 'number') {
        expect(least).toBeGreaterThan(budget)
        expect(typeof fitTo(whole, least - 1, count)).toBe('number')
      }
    })
  })

  it('drops in the stated order, no more than it must, and says what', () => {
    const whole = briefed(largeRun())
    const fitted: (readonly string[])[] = []
    for (let budget = estimateTokens(briefingText(whole, token)); ; ) {
      const next = fitTo(whole, budget)
      if (typeof next === 'number') break
      const { dropped } = next.briefing
      fitted.push(dropped)
      const told = next.text.includes(`\nLeft out to be short: ${dropped.join('; ')}.\n`)
      expect(told).toBe(dropped.length > 0)
      budget = next.tokens - 1
    }
    // Every step of the order has something to drop here; of steps about the same the last one is told.
    const afterSteps = Array.from({ length: droppingOrder.length + 1 }, (_, many) => {
      const steps = droppingOrder.slice(0, many)
      const last = steps.filter(({ of }, i) => !steps.slice(i + 1).some((later) => later.of === of))
      return last.map(({ of, but }) => (but === undefined ? of : `${of} but ${but}`))
    })
    const reached = fitted.map((dropped) => afterSteps.findIndex((each) => each.join() === dropped.join()))
    // A smaller budget takes more steps, in their order; few of them are not the shortest before the next one.
    expect(reached).toEqual([...new Set(reached)].sort((a, b) => a - b))
    expect([reached[0], reached.at(-1)]).toEqual([0, droppingOrder.length])
    expect(reached.length).toBeGreaterThan(20)
  })

  it('drops in the order that docs/resume.md lists', () => {
    const docs = readFileSync(new URL('../../../docs/resume.md', import.meta.url), 'utf8')
    const [, list = ''] = docs.split('### What is left out first')
    const listed = [...list.matchAll(/^\d+\. (.*)$/gm)].map(([, name]) => name)
    expect(listed).toEqual(droppingOrder.map(({ of, but }) => (but === undefined ? of : `${of} but ${but}`)))
  })

  it('never drops where the run stands, what is next and what may be done', async ({ task: { name } }) => {
    await checkProperty(name, file, histories, async (steps) => {
      const whole = briefed(runOf(steps))
      const least = fitTo(whole, 1)
      const smallest = fitTo(whole, least as number)
      if (typeof smallest === 'number') throw new Error('the least budget does not do')
      const { briefing, text } = smallest
      const { runId, version, epoch, at, holder, status, mode, round, nextAction, settled: counts, budgets } = whole
      expect(briefing).toMatchObject({ runId, version, epoch, at, holder, status, mode, round, nextAction, budgets })
      expect(briefing.settled).toEqual(counts)
      for (const list of ['received', 'stopped', 'out', 'planned'] as const) {
        expect(briefing[list].total).toBe(whole[list].total)
      }
      expect(briefing.may.filter(({ allowed }) => allowed)).toEqual(whole.may.filter(({ allowed }) => allowed))
      expect(briefing.may.length).toBeGreaterThan(0)
      expect(briefing.criteria.map(({ number, evidence }) => [number, evidence === null])).toEqual(
        whole.criteria.map(({ number, evidence }) => [number, evidence === null]),
      )
      for (const first of [...whole.received.items.slice(0, 3), ...whole.stopped.items.slice(0, 3)]) {
        expect(text).toContain(`- "${first.taskId}" (${first.kind}, attempt ${first.attempt} of`)
      }
      expect(text).toContain(`\nContext token: ${token}\n`)
    })
  })

  it('is told whole when it fits, and nothing is said to be left out', () => {
    const whole = briefed(richRun())
    const text = briefingText(whole, token)
    expect(fitTo(whole, estimateTokens(text))).toEqual({ briefing: whole, text, tokens: estimateTokens(text) })
  })

  it('keeps what was cut off one character whole, and says how long it was', () => {
    const output = '😀'.repeat(300)
    const run = given({}, dispatch('a'), receipt('a', { output }))
    const least = fitTo(briefed(run), 1) as number
    for (let budget = least; budget < least + 300; budget++) {
      const fitted = fitTo(briefed(run), budget)
      if (typeof fitted === 'number') throw new Error('the least budget does not do')
      // Half a character would be an escape.
      expect(fitted.text).not.toMatch(/\\ud[89a-f]/)
      if (!fitted.text.includes(JSON.stringify(output))) expect(fitted.text).toContain(', output of 602 characters')
    }
  })

  it.each([Number.NaN, -1, undefined, 'many'])('refuses a counter that says %s', (said) => {
    const count = () => said as number
    expect(() => fitBriefing(briefed(given()), 100, count, token)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringContaining('countTokens') }),
    )
  })
})
