import { codeOf, collect } from '../outcome.js'
import { appendAll, completed, history, readAll, recordAfter, runId, textsOf } from '../sample-records.js'
import type { Suite } from '../suite.js'

const closedHistory = (count: number, label: string) => {
  const records = history(count - 1, label)
  return [...records, recordAfter(records.at(-1) ?? null, completed)]
}

export function runsSuite({ describe, it, expect }: Suite): void {
  describe('runs', () => {
    it('lists every run once, and by prefix', async ({ open }) => {
      const { log } = await open()
      const ids = ['build-1', 'build-2', 'build', 'deploy-1']
      expect(await collect(log.list())).toEqual([])
      for (const id of ids) await appendAll(log, runId(id), history(2))
      expect((await collect(log.list())).sort()).toEqual([...ids].sort())
      expect((await collect(log.list('build-'))).sort()).toEqual(['build-1', 'build-2'])
      expect(await collect(log.list('nothing'))).toEqual([])
    })

    it('does not list a run for a message, an offer or a lease', async ({ open }) => {
      const { log, inbox, leases } = await open()
      await inbox.send(runId('run-1'), [{ sender: 'someone', seq: 1, kind: 'command', body: '{}' }])
      await leases.acquire('run/run-2', { id: 'someone', host: 'elsewhere', pid: 1 }, 60_000)
      expect(await collect(log.list())).toEqual([])
    })

    it('refuses to remove a run that nobody wrote to', async ({ open }) => {
      const { log } = await open()
      expect(await codeOf(() => log.remove(runId('run-1')))).toBe('RUN_UNKNOWN')
    })

    it('refuses to remove an open run and keeps it', async ({ open }) => {
      const { log } = await open()
      await appendAll(log, runId('run-1'), history(3))
      expect(await codeOf(() => log.remove(runId('run-1')))).toBe('RUN_OPEN')
      expect(await readAll(log, runId('run-1'))).toEqual(textsOf(history(3)))
    })

    it('removes a closed run for everybody, and no other', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      for (const id of ['run-1', 'run-10']) await appendAll(one.log, runId(id), closedHistory(3, id))
      expect((await other.log.head(runId('run-1')))?.index).toBe(2)
      await one.log.remove(runId('run-1'))
      for (const { log } of [one, other]) {
        expect(await log.head(runId('run-1'))).toBe(null)
        expect(await readAll(log, runId('run-1'))).toEqual([])
        expect(await collect(log.list())).toEqual(['run-10'])
        expect(await codeOf(() => log.remove(runId('run-1')))).toBe('RUN_UNKNOWN')
      }
      expect(await readAll(other.log, runId('run-10'))).toEqual(textsOf(closedHistory(3, 'run-10')))
    })
  })
}
