import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type {
  Adapter,
  ArtifactStore,
  CommitLog,
  DeliveryHandler,
  Inbox,
  InboxHandler,
  Leases,
  SnapshotStore,
  TaskQueue,
} from '@reprise/core/adapter'
import type { MortalAdapter } from '../harness.js'
import { Channel, fromWire, type Requests } from './channel.js'

/**
 * Starts a process with an adapter in it, to be killed with a real SIGKILL. `script` is a module that calls
 * `serveAdapter`; `options` go to the function given there. Works as any adapter does, but `watch` is not there, and
 * what is read is read as a whole.
 */
export async function openAdapterProcess(script: URL, options: unknown): Promise<MortalAdapter> {
  const child = fork(script, { serialization: 'advanced', execArgv: [] })
  const channel = new Channel((packet) => child.send(packet as object, () => {}))
  child.on('message', (packet) => void channel.take(packet))
  const opened = await Promise.race([channel.request('open', options), failedToStart(child, script)])
  return { adapter: remoteAdapter(channel, opened), kill: () => kill(child) }
}

type Opened = ReturnType<Requests['open']>

async function failedToStart(child: ChildProcess, script: URL): Promise<never> {
  const [code] = await once(child, 'exit')
  throw new Error(`${script.href} ended with exit code ${code} before its adapter was open. Does it call serveAdapter?`)
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

function remoteAdapter(channel: Channel, opened: Opened): Adapter {
  const call = (port: string, method: string, ...args: readonly unknown[]): Promise<unknown> =>
    channel.request('call', { port, method, args })
  // The other process answers with what the port promises; only the types are lost on the way.
  const ask =
    (port: string, method: string) =>
    (...args: readonly unknown[]) =>
      call(port, method, ...args) as never
  const list = (port: string, method: string) =>
    async function* (...args: readonly unknown[]): AsyncIterable<never> {
      yield* (await call(port, method, ...args)) as never[]
    }
  const log: CommitLog = {
    append: ask('log', 'append'),
    read: list('log', 'read'),
    head: ask('log', 'head'),
    watch: () => {
      throw new Error('An adapter in another process has no watch. Use one that was opened with open().')
    },
    list: list('log', 'list'),
    remove: ask('log', 'remove'),
  }
  const leases: Leases = {
    acquire: ask('leases', 'acquire'),
    renew: ask('leases', 'renew'),
    release: ask('leases', 'release'),
    holders: list('leases', 'holders'),
  }
  const artifacts: ArtifactStore = {
    put: async (source, bytesMax) => {
      const chunks: Uint8Array[] = []
      for await (const chunk of source) chunks.push(Uint8Array.from(chunk))
      return channel.request('put', { chunks, bytesMax })
    },
    check: ask('artifacts', 'check'),
    read: list('artifacts', 'read'),
  }
  return {
    name: opened.name,
    log,
    leases,
    queue: {
      offer: ask('queue', 'offer'),
      consume: remoteConsume(channel),
      withdraw: ask('queue', 'withdraw'),
      locate: ask('queue', 'locate'),
    },
    inbox: { send: ask('inbox', 'send'), peek: ask('inbox', 'peek'), receive: remoteReceive(channel) },
    ...(opened.artifacts ? { artifacts } : {}),
    ...(opened.snapshots ? { snapshots: { load: list('snapshots', 'load'), save: remoteSave(channel) } } : {}),
    ...(opened.summaries ? { summaries: { put: ask('summaries', 'put'), list: list('summaries', 'list') } } : {}),
    diagnose: ask('adapter', 'diagnose'),
    close: ask('adapter', 'close'),
  }
}

function remoteConsume(channel: Channel): TaskQueue['consume'] {
  const handlers = new Map<number, DeliveryHandler>()
  const lost = new Map<number, AbortController>()
  channel.answer('deliver', async ({ consumer, delivery, offer, deliveries, earlierWorkers }) => {
    const controller = new AbortController()
    lost.set(delivery, controller)
    const progress = (value: unknown): void => void channel.request('progress', { delivery, value })
    await handlers.get(consumer)?.({ offer, deliveries, earlierWorkers, signal: controller.signal, progress })
  })
  channel.answer('lose', ({ delivery, reason }) => lost.get(delivery)?.abort(fromWire(reason)))
  return async (lane, handler, { workerId, concurrency, claimTtlMs, signal }) => {
    const consumer = handlers.size + 1
    handlers.set(consumer, handler)
    await channel.request('consume', { consumer, lane, workerId, concurrency, claimTtlMs })
    const close = ({ drainMs = 0 } = {}): Promise<void> => channel.request('closeConsumer', { consumer, drainMs })
    signal?.addEventListener('abort', () => void close(), { once: true })
    return { close }
  }
}

function remoteSave(channel: Channel): SnapshotStore['save'] {
  const sources = new Map<number, AsyncIterator<string, undefined>>()
  channel.answer('nextPiece', ({ save }) => {
    const source = sources.get(save)
    if (source === undefined) throw new Error(`There is no save ${save} here.`)
    return source.next()
  })
  return (runId, pieces) => {
    const save = sources.size + 1
    sources.set(save, pieces[Symbol.asyncIterator]())
    return channel.request('save', { save, runId })
  }
}

function remoteReceive(channel: Channel): Inbox['receive'] {
  const handlers = new Map<number, InboxHandler>()
  channel.answer('handOver', ({ receiver, messages, caughtUp }) => handlers.get(receiver)?.(messages, caughtUp))
  return (runId, handler, signal) => {
    const receiver = handlers.size + 1
    handlers.set(receiver, handler)
    signal.addEventListener('abort', () => void channel.request('endReceiver', { receiver }), { once: true })
    return channel.request('receive', { receiver, runId })
  }
}
