import type { Delivery, TaskId } from '@reprise/core/adapter'
import { expect, it } from 'vitest'
import { anOffer, gate, openParts, run, temporaryFolder, until, worker } from './delivery-parts.js'

it('a consumer that drains without a limit waits for its handlers, and is not taken for one without patience', async () => {
  const { queue } = openParts(temporaryFolder())
  await queue.offer([anOffer('a')])
  const [started, end] = [gate(), gate()]
  const aborted: unknown[] = []
  const handler = async ({ signal }: Delivery): Promise<void> => {
    signal.addEventListener('abort', () => aborted.push(signal.reason))
    started.open()
    await end.opened
  }
  const consumer = await queue.consume('default', handler, worker('w'))
  await started.opened
  const closing = consumer.close({ drainMs: Number.POSITIVE_INFINITY })
  // A timer that fired at once would have given the attempt back after this much waiting on files.
  let looks = 0
  await until(async () => {
    expect(await queue.locate(run, 'a' as TaskId, 1)).toMatchObject({ at: 'claimed', workerId: 'w' })
    return ++looks > 20
  })
  end.open()
  await closing
  expect(aborted).toEqual([])
  expect(await queue.locate(run, 'a' as TaskId, 1)).toEqual({ at: 'unknown' })
})
