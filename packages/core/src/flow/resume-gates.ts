import { assertInvariant } from '../protocol/errors.js'
import { type EventData, type ResumeGate, resumeGates } from '../protocol/events.js'

export type GateResult = EventData<'resumed'>['gates'][number]

/** The gates of one resume, in order, each with its evidence: a gate cannot be left out, repeated or overtaken. */
export class ResumeLedger {
  readonly results: GateResult[] = []

  pass(gate: ResumeGate, evidence: string): void {
    this.add({ gate, pass: true, evidence })
  }

  fail(gate: ResumeGate, evidence: string): void {
    this.add({ gate, pass: false, evidence })
  }

  get failed(): GateResult | undefined {
    return this.results.find((result) => !result.pass)
  }

  get finished(): boolean {
    return this.failed !== undefined || this.results.length === resumeGates.length
  }

  private add(result: GateResult): void {
    const due = resumeGates[this.results.length]
    assertInvariant(result.gate === due, `resume gate ${result.gate} came when ${due} was due`)
    assertInvariant(this.failed === undefined, `resume gate ${result.gate} came after ${this.failed?.gate} had failed`)
    this.results.push(result)
  }
}
