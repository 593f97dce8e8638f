import assert from 'node:assert/strict'
import type { FleetProcess } from './fleet-process.js'
import { dataOf, logFacts } from './log-facts.js'
import type { Place } from './place.js'
import type { ProcessFleet } from './process-fleet.js'

const startsPerRun = 10
const runs = Array.from({ length: 10 }, (_, i) => `double-${i}`)

/**
 * Two processes open the same run at the same moment, a hundred times: ten runs, ten times each. Throws an
 * `AssertionError` unless each time exactly one of them could append, and the log says just that.
 */
export async function startTwice(fleet: ProcessFleet, place: Place, takeover: 'when-dead' | 'now'): Promise<void> {
  const pair = [fleet.start('double-start', { place }), fleet.start('double-start', { place })]
  await Promise.all(pair.map((one) => one.line('ready')))
  for (const runId of runs) {
    for (let start = 1; start <= startsPerRun; start++) {
      const opened = await tell(pair, { open: runId, takeover })
      // By force, one may open the run after the other: then the other finds out when it appends.
      if (takeover === 'when-dead') assert.equal(count(opened, 'held'), 1, JSON.stringify(opened))
      const noted = await tell(pair, { note: `start ${start}` })
      const story = `${runId}, start ${start}: ${JSON.stringify([opened, noted])}`
      assert.equal(count(noted, 'noted'), 1, story)
      for (const { failed } of [...opened, ...noted]) {
        assert.ok(failed === undefined || failed === 'RUN_HELD' || failed === 'LOCK_LOST', story)
      }
      await tell(pair, { close: runId })
    }
    const facts = await logFacts(place, runId)
    const notes = dataOf(facts, 'note-added').map(({ text }) => text)
    assert.deepEqual(
      notes,
      Array.from({ length: startsPerRun }, (_, i) => `start ${i + 1}`),
    )
    assert.ok(facts.epochs.length >= startsPerRun, `${facts.epochs.length} epochs`)
  }
}

/** Both are told before either has answered. */
async function tell(pair: readonly FleetProcess[], order: object) {
  const answers = pair.map((one) => one.lineAfter(one.lines.length))
  for (const one of pair) one.tell(order)
  return await Promise.all(answers)
}

const count = (answers: readonly object[], key: string): number => answers.filter((answer) => key in answer).length
