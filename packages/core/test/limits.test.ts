import { describe, expect, it } from 'vitest'
import { commandSchema } from '../src/protocol/commands.js'
import { limits } from '../src/protocol/limits.js'
import { goal, RunStage, request } from './run-stage.js'

describe('a limit of the format', () => {
  it('dispatchBatchMax refuses a command with one task more', () => {
    const takes = (count: number) =>
      commandSchema.safeParse({ type: 'dispatch', tasks: Array.from({ length: count }, () => request('t')) }).success
    expect([takes(limits.dispatchBatchMax), takes(limits.dispatchBatchMax + 1)]).toEqual([true, false])
  })

  it('roundCommandsMax refuses a round with one command more in either part', () => {
    const notes = (count: number) => Array.from({ length: count }, () => ({ type: 'note', text: 'n' }))
    const max = limits.roundCommandsMax
    const takes = (recover: number, decide: number) =>
      commandSchema.safeParse({ type: 'round', recover: notes(recover), decide: notes(decide), summary: 's' }).success
    expect([takes(max, max), takes(max + 1, 0), takes(0, max + 1)]).toEqual([true, false, false])
  })

  it('ownerMax refuses a task whose owner has one character more', () => {
    const takes = (length: number) => {
      const task = { ...request('t'), owner: 'o'.repeat(length) }
      return commandSchema.safeParse({ type: 'dispatch', tasks: [task] }).success
    }
    expect([takes(limits.ownerMax), takes(limits.ownerMax + 1)]).toEqual([true, false])
  })

  it('evidenceTasksMax refuses evidence that names one task more', () => {
    const takes = (count: number) => {
      const tasks = Array.from({ length: count }, (_, i) => `t${i}`)
      return commandSchema.safeParse({ type: 'meet-criterion', criterion: 1, evidence: 'seen', tasks }).success
    }
    expect([takes(limits.evidenceTasksMax), takes(limits.evidenceTasksMax + 1)]).toEqual([true, false])
  })

  it('criteriaMax refuses to open a run with one criterion more', async () => {
    const criteria = (count: number) => Array.from({ length: count }, (_, i) => `criterion ${i}`)
    const stage = new RunStage()
    await expect(stage.open({ successCriteria: criteria(limits.criteriaMax + 1) })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      details: { path: ['successCriteria'] },
    })
    expect(stage.calls).toEqual([])
    await stage.open({ successCriteria: criteria(limits.criteriaMax) })
    expect(stage.of('run-opened')[0]?.successCriteria).toHaveLength(limits.criteriaMax)
  })

  it('openingBytesMax refuses a goal and criteria with one byte more, as JSON, before anything is touched', async () => {
    const long = Array<string>(21).fill('ü'.repeat(6_100))
    const criteria = (bytes: number) => ['x'.repeat(bytes), ...long]
    const room = limits.openingBytesMax - Buffer.byteLength(JSON.stringify({ goal, successCriteria: criteria(0) }))
    const stage = new RunStage()
    await expect(stage.open({ successCriteria: criteria(room + 1) })).rejects.toMatchObject({ code: 'TOO_LARGE' })
    expect(stage.calls).toEqual([])
    await stage.open({ successCriteria: criteria(room) })
    expect(stage.commits[0]?.events.map(({ type }) => type)).toEqual(['run-opened', 'lock-acquired'])
  })
})
