import assert from 'node:assert/strict'
import { dataOf, type LogFacts } from './log-facts.js'

const decided = ['task-accepted', 'task-abandoned', 'planned', 'dispatched', 'run-completed']

/**
 * Checks that every round of a coordinator that only works in rounds stands in the log whole: in one commit, with its
 * closing, numbered without a gap, and that no commit has a part of one. Throws an `AssertionError` if not. Returns how
 * many there are.
 */
export function checkRounds({ commits }: LogFacts, perRound: number): number {
  let rounds = 0
  for (const { index, events } of commits) {
    const closed = events.flatMap((event) => (event.type === 'round-closed' ? [event.data.round] : []))
    assert.ok(closed.length <= 1, `commit ${index} closes ${closed.length} rounds`)
    const parts = events.map(({ type }) => type as string).filter((type) => decided.includes(type))
    if (closed.length === 1) assert.equal(closed[0], ++rounds, `commit ${index}`)
    else assert.deepEqual(parts, [], `commit ${index} has a part of a round`)
    const dispatched = parts.filter((type) => type === 'dispatched').length
    assert.ok(dispatched === 0 || dispatched === perRound, `commit ${index} dispatches ${dispatched} tasks`)
  }
  return rounds
}

/** The texts of the notes in a log. */
export const notesIn = (facts: LogFacts): string[] => dataOf(facts, 'note-added').map(({ text }) => text)
