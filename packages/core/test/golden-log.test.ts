import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { initialState, reduceCommit } from '../src/flow/reduce-event.js'
import { ChainReader } from '../src/log/chain-reader.js'
import { type EventType, eventDataSchemas, type RunEvent } from '../src/protocol/events.js'
import type { RunState } from '../src/protocol/state.js'
import { upcastEvent } from '../src/protocol/upcast.js'
import type { GivenRun } from './given-run.js'
import { busyHalf, completedStory, failedStory, forkedHalfStory, forkedStory } from './golden-logs/golden-story.js'

// A golden log is what a released version wrote. It is read for ever and never edited: a change of decisions makes a
// new one. Written by REPRISE_WRITE_GOLDEN=1 npx vitest run packages/core/test/golden-log.test.ts, if not there yet.
const fileOf = (name: string) => new URL(`./golden-logs/${name}`, import.meta.url)
const stories: Record<string, () => GivenRun> = {
  v1: completedStory,
  'v1-failed': failedStory,
  'v1-criteria': completedStory,
  'v1-forked': forkedStory,
  'v1-forked-half': forkedHalfStory,
}

/** A state as JSON: maps as lists of entries, sets as lists. */
const asJson = (state: RunState): unknown =>
  JSON.parse(JSON.stringify(state, (_, value) => (value instanceof Map || value instanceof Set ? [...value] : value)))

/** Fields of a state that came after the first golden logs, which do not have them. No others may be missing there. */
const laterFields = new Set([
  ...['criteria', 'checklist', 'statusChangedAt', 'resultsChangedAt', 'takenInAt', 'recent'],
  ...['dispatchedAt', 'changedAt', 'at', 'forkedFrom'],
])

/** A state without the later fields that `then` does not have. Everything else is compared. */
function known(state: unknown, then: unknown): unknown {
  if (Array.isArray(state) && Array.isArray(then)) return state.map((each, i) => known(each, then[i]))
  if (typeof state !== 'object' || state === null || typeof then !== 'object' || then === null) return state
  const entries = Object.entries(state).filter(([key]) => key in then || !laterFields.has(key))
  return Object.fromEntries(entries.map(([key, value]) => [key, known(value, Reflect.get(then, key))]))
}

/** The states to compare, by number of commits. */
function statesOf(lines: readonly string[], counts: readonly number[]): Record<string, unknown> {
  const states: Record<string, unknown> = {}
  const chain = new ChainReader()
  let state = initialState()
  for (const line of lines) {
    const commit = chain.next(line)
    state = reduceCommit(state, { ...commit, events: commit.events.map((event) => upcastEvent(event)) })
    if (counts.includes(chain.commits)) states[chain.commits] = asJson(state)
  }
  return states
}

for (const [name, story] of Object.entries(stories)) {
  if (process.env.REPRISE_WRITE_GOLDEN !== '1' || existsSync(fileOf(`${name}.jsonl`))) continue
  const { lines } = story()
  const states = statesOf(lines, [busyHalf().lines.length, lines.length])
  writeFileSync(fileOf(`${name}.jsonl`), `${lines.join('\n')}\n`)
  writeFileSync(fileOf(`${name}.states.json`), `${JSON.stringify(states, null, 2)}\n`)
}
const readLog = (name: string) =>
  readFileSync(fileOf(`${name}.jsonl`), 'utf8')
    .trimEnd()
    .split('\n')
const eventsOf = (lines: readonly string[]): RunEvent[] => {
  const chain = new ChainReader()
  return lines.flatMap((line) => chain.next(line).events)
}
const typesOf = (events: readonly RunEvent[]) => [...new Set(events.map(({ type }) => type))].sort()
const allTypes = (Object.keys(eventDataSchemas) as EventType[]).sort()

describe('the golden logs of version 1', () => {
  it.each(Object.keys(stories))('%s replays to exactly the states that were written with it', (name) => {
    const states = JSON.parse(readFileSync(fileOf(`${name}.states.json`), 'utf8'))
    expect(known(statesOf(readLog(name), Object.keys(states).map(Number)), states)).toStrictEqual(states)
  })

  it.each(Object.keys(stories))('%s holds only events that their schemas take, without changing them', (name) => {
    for (const { type, v, data } of eventsOf(readLog(name))) {
      const parsed = eventDataSchemas[type].safeParse(data)
      expect(parsed.error, type).toBe(undefined)
      expect([v, parsed.data], type).toEqual([1, data])
    }
  })

  it('together hold every event type that version 1 knows', () => {
    const types = typesOf(Object.keys(stories).flatMap((name) => eventsOf(readLog(name))))
    expect(types).toEqual(allTypes)
  })

  it('are told by decisions that are still possible', () => {
    const types = typesOf(Object.values(stories).flatMap((story) => eventsOf(story().lines)))
    expect(types).toEqual(allTypes)
  })
})
