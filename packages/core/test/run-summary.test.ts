import { describe, expect, it } from 'vitest'
import { initialState } from '../src/flow/reduce-event.js'
import { readSummary, summaryOf, summaryText } from '../src/flow/run-summary.js'
import type { RunId } from '../src/protocol/ids.js'
import { limits } from '../src/protocol/limits.js'
import type { RunState } from '../src/protocol/state.js'

const runId = 'run-1' as RunId
const at = '2030-01-01T00:00:00.000Z'

const stateOf = (change: Partial<RunState> = {}): RunState => ({
  ...initialState(),
  ...{ runId, goal: 'count every line', openedAt: at, at, version: 7 },
  ...change,
})
const kept = (state: RunState): string => summaryText(summaryOf(state))

describe('The summary of a run', () => {
  it('says where it stands, who holds it and how far it has come', () => {
    const evidence = { evidence: 'seen', tasks: [], version: 3, at }
    const holder = { id: 'coordinator:host:1', host: 'host', pid: 1 }
    const state = stateOf({ successCriteria: ['a', 'b', 'c'], criteria: [null, evidence, null], lock: { holder, at } })
    Object.assign(state.counts, { tasks: 12, planned: 1, out: 2, received: 3, stopped: 4, accepted: 2 })
    expect(readSummary(kept(state), runId)).toEqual({
      ...{ runId, version: 7, status: state.status, mode: state.mode, openedAt: at, at, holder },
      ...{ open: { planned: 1, out: 2, received: 3, stopped: 4 }, tasks: 12, accepted: 2 },
      ...{ goal: 'count every line', criteria: { met: 1, total: 3 } },
    })
  })

  it('is no longer than one that may be put, whatever the run is called and wants', () => {
    for (const character of ['\u0000', '"', '\u20ac', '\ud800', '\u{1f680}', '\\']) {
      const name = character.repeat(limits.textMax)
      const lock = { holder: { id: name, host: name, pid: 1 }, at }
      const text = kept(stateOf({ goal: name, lock }))
      expect(text.length).toBeLessThanOrEqual(limits.runSummaryMax)
      expect(readSummary(text, runId)).not.toBe(null)
    }
  })

  it('is none if it is not whole, of another run, of another form, or says what none can say', () => {
    const text = kept(stateOf())
    expect(readSummary(text, runId)).not.toBe(null)
    for (let length = 0; length < text.length; length++) expect(readSummary(text.slice(0, length), runId)).toBe(null)
    const changed = (change: object): string => JSON.stringify({ ...JSON.parse(text), ...change })
    expect(readSummary(changed({}), runId)).not.toBe(null)
    expect(readSummary(text, 'run-2' as RunId)).toBe(null)
    for (const change of [
      { form: 2 },
      { runId: 'run-2' },
      { status: 'splendid' },
      { mode: 1 },
      { version: 0 },
      { version: 1.5 },
      { accepted: -1 },
      { at: 'yesterday' },
      { holder: { id: 'x' } },
      { goal: 'x'.repeat(1_000) },
      { another: 1 },
      { open: null },
    ]) {
      expect([change, readSummary(changed(change), runId)]).toEqual([change, null])
    }
    for (const other of ['null', '[]', '7', `${text} `.padEnd(limits.runSummaryMax + 1)]) {
      expect(readSummary(other, runId)).toBe(null)
    }
    expect(readSummary(text.replace('{', '{"__proto__":{},'), runId)).toBe(null)
  })
})
