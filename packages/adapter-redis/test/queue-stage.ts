import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type {
  Adapter,
  ConsumeOptions,
  Consumer,
  Delivery,
  DeliveryHandler,
  Offer,
  RunId,
  TaskId,
} from '@reprise/core/adapter'
import { type FaultProxy, type StartRedisOptions, startProxy, startRedis, type TestServer } from '@reprise/test-servers'
import { onTestFinished } from 'vitest'
import { openRedis } from '../src/index.js'
import { patientMs } from './deadlines.js'

export const run = 'run-1' as RunId
export const prefix = 'queue-test'

export function anOffer(
  taskId: string,
  { attempt = 1, lane = 'default', body = JSON.stringify({ taskId }) } = {},
): Offer {
  const digest = createHash('sha256').update(body).digest('hex')
  return { runId: run, taskId: taskId as TaskId, attempt, lane, digest, body }
}

export const offersNamed = (count: number, name = 'task'): Offer[] =>
  Array.from({ length: count }, (_, i) => anOffer(`${name}-${i}`))

/** A server that the test may kill. It goes with the test. */
export async function privateServer(options: Omit<StartRedisOptions, 'private'> = {}): Promise<TestServer> {
  const server = await startRedis({ ...options, private: true })
  onTestFinished(() => server[Symbol.asyncDispose]())
  return server
}

/** A proxy in front of a server. It goes with the test, after whoever is connected through it. */
export async function proxyOf(server: TestServer): Promise<FaultProxy> {
  const proxy = await startProxy(server)
  onTestFinished(async () => {
    proxy.clear()
    await until(() => proxy.connections === 0, 'everybody has left the proxy')
    await proxy[Symbol.asyncDispose]()
  })
  return proxy
}

/** An adapter that goes with the test, before its server does. Patient unless told otherwise. */
export async function open(url: string, options: { commandTimeoutMs?: number } = {}): Promise<Adapter> {
  const adapter = await openRedis({ url, prefix, commandTimeoutMs: patientMs, ...options })
  onTestFinished(() => adapter.close())
  return adapter
}

export interface Recorder {
  readonly deliveries: Delivery[]
  readonly errors: unknown[]
  readonly consumer: Consumer
  taskIds(): string[]
}

let workers = 0

/** A worker that notes what it is handed and what it is told. */
export async function record(
  { queue }: Pick<Adapter, 'queue'>,
  options: Partial<ConsumeOptions> & { readonly lane?: string } = {},
  handler: DeliveryHandler = async () => {},
): Promise<Recorder> {
  workers++
  const { lane = 'default', ...others } = options
  const [deliveries, errors]: [Delivery[], unknown[]] = [[], []]
  const noting: DeliveryHandler = (delivery) => {
    deliveries.push(delivery)
    return handler(delivery)
  }
  const consumer = await queue.consume(lane, noting, {
    ...{ workerId: `worker-${workers}`, concurrency: 4, claimTtlMs: 10_000 },
    ...{ onError: (error: unknown) => errors.push(error) },
    ...others,
  })
  return { deliveries, errors, consumer, taskIds: () => deliveries.map(({ offer }) => offer.taskId) }
}

export interface WorkerMessage {
  readonly kind: 'ready' | 'delivered' | 'ended' | 'aborted' | 'error'
  readonly taskId?: string
  readonly deliveries?: number
  readonly code?: string
}

export interface WorkerProcess {
  readonly process: ChildProcess
  readonly said: WorkerMessage[]
  of(kind: WorkerMessage['kind']): WorkerMessage[]
  kill(): Promise<void>
}

/** Starts `queue-worker.mjs`; resolves once it consumes. It is killed with the test. */
export async function startWorkerProcess(
  url: string,
  options: { concurrency?: number; claimTtlMs?: number; task?: string } = {},
): Promise<WorkerProcess> {
  workers++
  const settings = { concurrency: 4, claimTtlMs: 10_000, task: 'nothing', commandTimeoutMs: patientMs, ...options }
  const text = JSON.stringify({ url, prefix, workerId: `process-${workers}`, ...settings })
  const child = fork(new URL('./queue-worker.mjs', import.meta.url), [text])
  const said: WorkerMessage[] = []
  child.on('message', (message: WorkerMessage) => said.push(message))
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  onTestFinished(kill)
  const of = (kind: WorkerMessage['kind']): WorkerMessage[] => said.filter((message) => message.kind === kind)
  await until(() => of('ready').length > 0 || child.exitCode !== null, 'a worker process is ready')
  if (child.exitCode !== null) throw new Error(`A worker process ended with ${child.exitCode} before it was ready.`)
  return { process: child, said, of, kill }
}

/** Resolves once the condition holds; fails after `deadlineMs`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  deadlineMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`After ${deadlineMs} ms it still does not hold that ${what}.`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** A promise and what settles it. */
export function gate(): { readonly open: () => void; readonly opened: Promise<void> } {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}
