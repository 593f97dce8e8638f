import { describe, expect, it } from 'vitest'
import { ResumeLedger } from '../src/flow/resume-gates.js'
import { type ResumeGate, resumeGates } from '../src/protocol/events.js'

const passed = (...gates: ResumeGate[]) => {
  const ledger = new ResumeLedger()
  for (const gate of gates) ledger.pass(gate, `${gate} is fine`)
  return ledger
}

describe('the ledger of resume gates', () => {
  it('holds the documented gates, in their order', () => {
    expect(resumeGates).toEqual([
      'log-integrity',
      'upcast',
      'lease',
      'lock',
      'mode',
      'status',
      'outstanding',
      'receipts-pending',
      'budget',
      'state-file',
    ])
  })

  it('is finished when every gate has passed, each with its evidence', () => {
    const ledger = passed(...resumeGates)
    expect([ledger.finished, ledger.failed]).toEqual([true, undefined])
    expect(ledger.results).toEqual(resumeGates.map((gate) => ({ gate, pass: true, evidence: `${gate} is fine` })))
  })

  it.each(resumeGates)('takes no other gate when %s is due', (due) => {
    for (const other of resumeGates.filter((gate) => gate !== due)) {
      const ledger = passed(...resumeGates.slice(0, resumeGates.indexOf(due)))
      expect(() => ledger.pass(other, '')).toThrow(/invariant/)
      expect(() => ledger.fail(other, '')).toThrow(/invariant/)
    }
  })

  it('takes no gate after one that failed, which ends it', () => {
    const ledger = passed('log-integrity')
    expect(ledger.finished).toBe(false)
    ledger.fail('upcast', 'too new')
    expect(ledger.failed).toEqual({ gate: 'upcast', pass: false, evidence: 'too new' })
    expect(ledger.finished).toBe(true)
    expect(() => ledger.pass('lease', '')).toThrow(/invariant/)
  })

  it('takes no gate after the last', () => {
    expect(() => passed(...resumeGates).pass('state-file', '')).toThrow(/invariant/)
  })
})
