import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { initialState, reduceCommit } from '../src/flow/reduce-event.js'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import { loadRunAt } from '../src/replay/load-run-at.js'
import { openTaskJson, runStateSchema, stateJson } from '../src/replay/state-json.js'
import { histories, runOf } from './any-history.js'
import { checkProperty } from './property-run.js'
import { commitsOf, goldenLines, goldenNames, logOf, runId } from './replay-logs.js'
import { backendWith, snapshotOf } from './snapshot-of.js'

const file = 'packages/core/test/replay-state-json.test.ts'

/** Of objects that the schema knows whole: a field more than it names is a fault. */
const strictly = runStateSchema.strict()

describe('a state as JSON', () => {
  it.each(goldenNames)('has the form of its schema, and nothing more, after every event of %s', async (name) => {
    const lines = goldenLines(name)
    const total = commitsOf(lines).at(-1)?.version ?? 0
    for (let version = 0; version <= total; version++) {
      const { state } = await loadRunAt(logOf(lines), runId, { version })
      const json = stateJson(state)
      expect(strictly.safeParse(json).error).toBe(undefined)
      expect(JSON.parse(JSON.stringify(json))).toEqual(json)
    }
  })

  it('holds every field of the state: what a field says is told, whatever its name', () => {
    const renamed = { lock: 'holder', successCriteria: 'criteria' }
    const names = Object.keys(initialState()).map((name) => (renamed as Record<string, string>)[name] ?? name)
    expect(Object.keys(stateJson(initialState())).sort()).toEqual([...new Set(names)].sort())
  })

  it('is the same text from a snapshot as from the whole log', async ({ task: { name } }) => {
    await checkProperty(name, file, histories, async (steps) => {
      const { lines } = runOf(steps)
      const backend = backendWith(runId, lines)
      const half = Math.ceil(lines.length / 2)
      backend.snapshots.set(runId, [await snapshotOf(lines.slice(0, half))])
      const { log, snapshots } = memoryAdapter({ backend })
      const [whole, from] = [
        await loadRunAt(log, runId, { back: 0 }),
        await loadRunAt(log, runId, { back: 0 }, { snapshots }),
      ]
      expect(from.basis.snapshotCommits).toBe(half)
      expect(JSON.stringify(stateJson(from.state))).toBe(JSON.stringify(stateJson(whole.state)))
      expect(strictly.safeParse(stateJson(whole.state)).error).toBe(undefined)
    })
  })

  it('stays as it was when the state is folded further', () => {
    const commits = commitsOf(goldenLines('v1-criteria'))
    let state = initialState()
    const kept = commits.map((commit) => {
      state = reduceCommit(state, commit)
      const json = stateJson(state)
      return { json, tasks: [...state.tasks.values()].map(openTaskJson), text: JSON.stringify(json) }
    })
    for (const { json, tasks, text } of kept) {
      expect(JSON.stringify(json)).toBe(text)
      expect(tasks).toEqual(json.tasks)
    }
  })

  it('has a schema that can be published', () => {
    const schema = z.toJSONSchema(runStateSchema, { unrepresentable: 'any', io: 'input' })
    expect(schema.required).toContain('senders')
  })
})
