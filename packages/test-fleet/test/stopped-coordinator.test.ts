import { dataOf, echoTasks, startEchoWorker } from '@reprise/test-fleet'
import { describe, expect, it } from 'vitest'
import { backends, useBackend } from './backends.js'
import { expectWhole, leaseTtlMs } from './whole-run.js'

const runId = 'stopped-coordinator'

describe.each(backends)('a coordinator over $name that is stopped and continued', (backend) => {
  const stage = useBackend(backend)

  it.each([
    ['its lease has run out', leaseTtlMs, { takeover: 'when-dead', waitForMs: 20_000 }, 'lease-expired'],
    ['another one has forced it', 60_000, { takeover: 'now' }, 'forced'],
  ])(
    'can never append again once %s',
    async (_, ttlMs, takeover, reason) => {
      const place = stage.newPlace()
      const run = { runId, goal: 'one history', policy: { leaseTtlMs: ttlMs } }
      const tasks = echoTasks(8)
      const zombie = stage.fleet.start('coordinator', { place, run, tasks, finish: false })
      await zombie.line('dispatched')
      zombie.signal('SIGSTOP')
      const successor = stage.fleet.start('coordinator', { place, run: { ...run, ...takeover }, tasks })
      await successor.line('opened')

      zombie.tell({ note: 'from the past' })
      zombie.signal('SIGCONT')
      expect(await zombie.end()).toBe(3)
      expect(zombie.said('stopped')).toEqual(['LOCK_LOST'])
      expect(zombie.said('failed')).toEqual(['LOCK_LOST'])
      const worker = await startEchoWorker(place)
      expect(await successor.end()).toBe(0)
      await worker.close()

      const facts = await expectWhole(place, runId, tasks)
      expect(dataOf(facts, 'lock-acquired').map((lock) => lock.reason)).toEqual(['opened', reason])
      expect(dataOf(facts, 'note-added')).toEqual([])
    },
    60_000,
  )
})
