import { describe, expect, it } from 'vitest'
import { runId } from './fleet-simulation.js'
import { readHistory } from './log-history.js'
import { checkProperty } from './property-run.js'
import { SpawnFleet } from './spawn-fleet.js'
import { limitProblems } from './spawn-limits.js'
import { anySpawnPlan } from './spawn-plan.js'

const file = 'packages/core/test/spawn-properties.test.ts'

const linesOf = (fleet: SpawnFleet): string[] => fleet.backend.recordsOf(runId).map(({ text }) => text)

/** What coordinators were told that a limit kept out, and the log does not say. */
function* unrecorded(fleet: SpawnFleet): Generator<string> {
  const { commits } = readHistory(linesOf(fleet))
  const said = commits
    .flatMap(({ events }) => events)
    .flatMap((event) => (event.type === 'spawn-refused' ? [event.data] : []))
  for (const refused of fleet.refused) {
    for (const rule of new Set(refused.map((one) => one.rule))) {
      const [first, ...others] = refused.filter((one) => one.rule === rule)
      const { taskId, limit, value } = first!
      const count = others.length + 1
      const isThere = said.some(
        (one) =>
          one.taskId === taskId &&
          one.rule === rule &&
          one.limit === limit &&
          one.value === value &&
          one.count === count,
      )
      if (!isThere) yield `${count} tasks from ${taskId} on were refused by ${rule}, and the log does not say so`
    }
  }
}

function* unasked(fleet: SpawnFleet): Generator<string> {
  for (const { events } of readHistory(linesOf(fleet)).commits) {
    for (const { type, data } of events) {
      if ((type === 'planned' || type === 'dispatched') && !fleet.asked.has(data.taskId)) {
        yield `no coordinator asked for ${data.taskId}`
      }
    }
  }
}

describe('workers that ask for ever more work', () => {
  it('never bring a run over a limit, at no version of its log, whatever crashes and however many coordinate', {
    timeout: 3_600_000,
  }, async ({ task: { name } }) => {
    await checkProperty(name, file, anySpawnPlan, async (plan) => {
      const fleet = new SpawnFleet(plan)
      await fleet.play(() => {
        const problems = [...limitProblems(linesOf(fleet)), ...unrecorded(fleet), ...unasked(fleet), ...fleet.check()]
        expect(problems.slice(0, 3)).toEqual([])
      })
    })
  })
})
