import { createHash } from 'node:crypto'
import type { NodeConnectionOptions } from '@nats-io/transport-node'
import type { Delivery, Offer, RunId, TaskId, TaskQueue } from '@reprise/core/adapter'
import { startNats, type TestServer } from '@reprise/test-servers'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { namesOf } from '../src/names.js'
import { NatsConnection } from '../src/nats-connection.js'
import { natsQueue } from '../src/queue/nats-queue.js'
import { tasksStream } from '../src/queue/tasks-stream.js'
import { ensureStream } from '../src/streams.js'
import { removeStreams } from './nats-facts.js'

export interface QueueParts {
  readonly queue: TaskQueue
  readonly connection: NatsConnection
  close(): Promise<void>
}

export interface PartsOptions {
  readonly createStreams?: boolean
  readonly replicas?: number
  readonly requestTimeoutMs?: number
  readonly connection?: NodeConnectionOptions
  readonly holderAnswersMs?: number
}

/** Delivery alone, without the rest of the adapter, on a connection of its own. */
export async function openParts(url: string, prefix: string, options: PartsOptions = {}): Promise<QueueParts> {
  const { createStreams = true, replicas = 1, requestTimeoutMs = 5_000, holderAnswersMs } = options
  const connection = await NatsConnection.open({ servers: url, requestTimeoutMs, connection: options.connection ?? {} })
  const context = {
    connection,
    names: namesOf(prefix),
    replicas,
    createStreams,
    ...(holderAnswersMs !== undefined && { holderAnswersMs }),
  }
  if (createStreams) await ensureStream(connection, tasksStream(context.names, context))
  const queue = natsQueue(context)
  const close = async (): Promise<void> => {
    await queue.close()
    await connection.close()
  }
  return { queue, connection, close }
}

export interface Place {
  readonly server: TestServer
  /** Of this test alone. */
  readonly prefix: string
  /** Closed with the test. */
  open(options?: PartsOptions & { readonly url?: string }): Promise<QueueParts>
  closeAll(): Promise<void>
}

/** A server for the tests of one file: `private` if they kill it. Each test has a prefix of its own on it. */
export function aPlace(name: string, { private: isPrivate = false } = {}): Place {
  const opened: QueueParts[] = []
  let server: TestServer
  let prefix = ''
  let tests = 0
  const closeAll = async (): Promise<void> => {
    await Promise.all(opened.splice(0).map((parts) => parts.close()))
  }
  beforeAll(async () => {
    server = await startNats({ private: isPrivate })
  })
  afterAll(async () => {
    await server.stop()
  })
  beforeEach(() => {
    tests++
    prefix = `${name}-${process.pid}-${tests}`
    return async () => {
      await closeAll()
      if (!isPrivate) await removeStreams(server.url, prefix)
    }
  })
  return {
    get server() {
      return server
    },
    get prefix() {
      return prefix
    },
    open: async ({ url = server.url, ...options } = {}) => {
      const parts = await openParts(url, prefix, options)
      opened.push(parts)
      return parts
    },
    closeAll,
  }
}

export const run = 'run-1' as RunId
export const id = (taskId: string): TaskId => taskId as TaskId

export function anOffer(taskId: string, options: Partial<Offer> = {}): Offer {
  const body = options.body ?? JSON.stringify({ taskId })
  const digest = createHash('sha256').update(body).digest('hex')
  return { runId: run, taskId: id(taskId), attempt: 1, lane: 'default', digest, body, ...options }
}

export const offersNamed = (count: number, prefix = 'task-'): Offer[] =>
  Array.from({ length: count }, (_, i) => anOffer(`${prefix}${i}`))

export const taskOf = ({ offer }: Delivery): string => offer.taskId

/** A claim that does not run out while anybody waits for something here. */
export const longClaimMs = 600_000
/** A holder that answers is waited for, however busy the machine is. Only where there is one: see `holderAnswersMs`. */
export const holderPatienceMs = 15_000
/** A claim that a test waits out. It stands while its worker does nothing for a moment, as on a busy machine. */
export const shortClaimMs = 5_000
const deadlineMs = 20_000
const lookMs = 5

/** Looks again and again until `condition` holds. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = deadlineMs,
): Promise<void> {
  const end = Date.now() + withinMs
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`After ${withinMs} ms it still does not hold that ${what}.`)
    await new Promise((resolve) => setTimeout(resolve, lookMs))
  }
}

export interface Gate {
  readonly opened: Promise<void>
  open(): void
}

export function gate(): Gate {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}
