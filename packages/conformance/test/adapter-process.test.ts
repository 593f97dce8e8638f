import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '../src/eventually.js'
import { type MortalAdapter, openAdapterProcess } from '../src/index.js'
import { reasonCode } from '../src/outcome.js'
import { messages, startReceiver } from '../src/sample-messages.js'
import { offerOf, startWorker } from '../src/sample-offers.js'
import { appendAll, history, readAll, runId, textsOf } from '../src/sample-records.js'

const script = new URL('./adapter-process.mjs', import.meta.url)
const run = runId('run-1')
let mortal: MortalAdapter | undefined

const open = async () => {
  mortal = await openAdapterProcess(script, {})
  return mortal.adapter
}

afterEach(() => mortal?.kill())

describe('an adapter in another process', () => {
  it('appends, reads, and fails with the same codes', async () => {
    const { log } = await open()
    const records = history(3)
    await appendAll(log, run, records)
    expect(await readAll(log, run)).toEqual(textsOf(records))
    await expect(appendAll(log, run, history(1, 'other'))).rejects.toMatchObject({ code: 'VERSION_CONFLICT' })
  })

  it('runs handlers here, shows their progress there, and tells them when they lose', async () => {
    const adapter = await open()
    const { queue } = adapter
    await queue.offer([offerOf('a')])
    const worker = await startWorker(adapter, { claimTtlMs: 150 }, ({ progress }) => {
      progress('half way')
      return new Promise(() => {})
    })
    await eventually('the progress is seen', async () => {
      const found = await queue.locate(run, offerOf('a').taskId, 1)
      return found.at === 'claimed' && found.progress === 'half way'
    })
    await queue.withdraw(run, offerOf('a').taskId, 1)
    await eventually('the handler is told', () => reasonCode(worker.deliveries[0]?.signal) === 'ATTEMPT_WITHDRAWN')
    await worker.consumer.close()
  })

  it('settles what a handler here resolves, and gives back what it rejects', async () => {
    const adapter = await open()
    await adapter.queue.offer([offerOf('a')])
    const worker = await startWorker(adapter, { claimTtlMs: 1000 }, async ({ deliveries }) => {
      if (deliveries === 1) throw new Error('not this time')
    })
    const locate = () => adapter.queue.locate(run, offerOf('a').taskId, 1)
    await eventually('it is settled', async () => (await locate()).at === 'unknown')
    expect(worker.deliveries.map(({ deliveries }) => deliveries)).toEqual([1, 2])
  })

  it('hands over messages until its signal aborts', async () => {
    const adapter = await open()
    await adapter.inbox.send(run, messages('worker-1', 3))
    const receiver = startReceiver(adapter, run)
    await eventually('all are there', () => receiver.distinct().length >= 3)
    await receiver.stop()
    expect(receiver.distinct()).toEqual(messages('worker-1', 3))
  })

  it('leaves calls pending once it is killed, and can be killed twice', async () => {
    const { log } = await open()
    await mortal?.kill()
    await mortal?.kill()
    let settled = false
    const settle = () => {
      settled = true
    }
    log.head(run).then(settle, settle)
    await new Promise((resolve) => setImmediate(resolve))
    expect(settled).toBe(false)
  })

  it('fails to open when its script does not serve an adapter', async () => {
    const endsAtOnce = new URL('./ends-at-once.mjs', import.meta.url)
    await expect(openAdapterProcess(endsAtOnce, {})).rejects.toThrow('exit code 3')
  })
})
