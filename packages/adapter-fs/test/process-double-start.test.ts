import { afterEach, expect, it } from 'vitest'
import { dataOf, logFacts } from './log-facts.js'
import { type FleetProcess, ProcessFleet } from './process-fleet.js'
import { TestFolders } from './test-folder.js'

const fleet = new ProcessFleet()
const folders = new TestFolders()
afterEach(async () => {
  await fleet.endAll()
  await folders.removeAll()
})

const startsPerRun = 10
const runs = Array.from({ length: 10 }, (_, i) => `double-${i}`)

/** Two processes that are told the same things at the same moment. */
async function startPair(dir: string) {
  const pair = [fleet.start('double-start', { dir }), fleet.start('double-start', { dir })]
  await Promise.all(pair.map((one) => one.line('ready')))
  return {
    tell: async (order: object) => {
      const answers = pair.map((one: FleetProcess) => one.lineAfter(one.lines.length))
      for (const one of pair) one.tell(order)
      return await Promise.all(answers)
    },
  }
}

const count = (answers: readonly object[], key: string): number => answers.filter((answer) => key in answer).length
it.each([
  ['politely', 'when-dead'],
  ['by force', 'now'],
])(
  'lets one of two coordinators hold a run that both open %s at the same moment, a hundred times',
  async (_, takeover) => {
    const dir = await folders.make()
    const pair = await startPair(dir)
    for (const runId of runs) {
      for (let start = 1; start <= startsPerRun; start++) {
        const opened = await pair.tell({ open: runId, takeover })
        // By force, one may open the run after the other: then the other finds out when it appends.
        if (takeover === 'when-dead') expect(count(opened, 'held'), JSON.stringify(opened)).toBe(1)
        const noted = await pair.tell({ note: `start ${start}` })
        expect(count(noted, 'noted'), JSON.stringify([opened, noted])).toBe(1)
        for (const { failed } of [...opened, ...noted]) expect([undefined, 'RUN_HELD', 'LOCK_LOST']).toContain(failed)
        await pair.tell({ close: runId })
      }
      const facts = await logFacts(dir, runId)
      expect(dataOf(facts, 'note-added').map(({ text }) => text)).toEqual(
        Array.from({ length: startsPerRun }, (_none, i) => `start ${i + 1}`),
      )
      expect(facts.epochs.length).toBeGreaterThanOrEqual(startsPerRun)
    }
  },
  60_000,
)
