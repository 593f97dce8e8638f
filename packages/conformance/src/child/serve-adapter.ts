import type { Adapter, Consumer, Delivery } from '@reprise/core/adapter'
import { Channel, toWire } from './channel.js'

/**
 * Makes this process the one that `openAdapterProcess` has started: opens an adapter with the options that it is
 * given and does there what is asked for here.
 */
export function serveAdapter<Options>(open: (options: Options) => Promise<Adapter>): void {
  const channel = new Channel((packet) => process.send?.(packet, undefined, undefined, () => {}))
  process.on('message', (packet) => void channel.take(packet))
  // The test has ended without a kill.
  process.on('disconnect', () => process.exit())
  channel.answer('open', async (options) => {
    const adapter = await open(options as Options)
    answerFor(channel, adapter)
    const { name, artifacts, snapshots, summaries } = adapter
    const has = { artifacts: artifacts !== undefined, snapshots: snapshots !== undefined }
    return { name, ...has, summaries: summaries !== undefined }
  })
}

type Method = (...args: readonly unknown[]) => unknown

function answerFor(channel: Channel, adapter: Adapter): void {
  channel.answer('call', async ({ port, method, args }) => {
    const target = port === 'adapter' ? adapter : adapter[port as keyof Adapter]
    const result = (target as unknown as Record<string, Method>)[method]?.(...args)
    return isIterable(result) ? collect(result) : result
  })
  channel.answer('put', async ({ chunks, bytesMax }) => {
    if (adapter.artifacts === undefined) throw new Error('This adapter has no artifact store.')
    return adapter.artifacts.put(iterate(chunks), bytesMax)
  })
  channel.answer('save', async ({ save, runId }) => {
    if (adapter.snapshots === undefined) throw new Error('This adapter keeps no snapshots.')
    await adapter.snapshots.save(runId, piecesOf(channel, save))
  })
  answerForQueue(channel, adapter)
  answerForInbox(channel, adapter)
}

function answerForQueue(channel: Channel, { queue }: Adapter): void {
  const consumers = new Map<number, Consumer>()
  const deliveries = new Map<number, Delivery>()
  let count = 0
  channel.answer('consume', async ({ consumer, lane, ...options }) => {
    const handler = async (handed: Delivery): Promise<void> => {
      count++
      const delivery = count
      deliveries.set(delivery, handed)
      const lose = (): void => void channel.request('lose', { delivery, reason: toWire(handed.signal.reason) })
      handed.signal.addEventListener('abort', lose, { once: true })
      const { offer, deliveries: times, earlierWorkers } = handed
      await channel.request('deliver', { consumer, delivery, offer, deliveries: times, earlierWorkers })
    }
    consumers.set(consumer, await queue.consume(lane, handler, options))
  })
  channel.answer('closeConsumer', ({ consumer, drainMs }) => consumers.get(consumer)?.close({ drainMs }))
  channel.answer('progress', ({ delivery, value }) => deliveries.get(delivery)?.progress(value))
}

function answerForInbox(channel: Channel, { inbox }: Adapter): void {
  const receivers = new Map<number, AbortController>()
  channel.answer('receive', ({ receiver, runId }) => {
    const controller = new AbortController()
    receivers.set(receiver, controller)
    return inbox.receive(
      runId,
      (messages, caughtUp) => channel.request('handOver', { receiver, messages, caughtUp }),
      controller.signal,
    )
  })
  channel.answer('endReceiver', ({ receiver }) => receivers.get(receiver)?.abort())
}

/** As they come from the other process. */
async function* piecesOf(channel: Channel, save: number): AsyncIterable<string> {
  for (;;) {
    const next = await channel.request('nextPiece', { save })
    if (next.done === true) return
    yield next.value
  }
}

const isIterable = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value

async function collect(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const item of items) all.push(item)
  return all
}

async function* iterate<T>(items: readonly T[]): AsyncIterable<T> {
  yield* items
}
