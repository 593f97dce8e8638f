import { createHash } from 'node:crypto'
import type { NodeConnectionOptions } from '@nats-io/transport-node'
import type { Delivery, Offer, RunId, TaskId, TaskQueue } from '@reprise/core/adapter'
import { namesOf } from '../src/names.js'
import { NatsConnection } from '../src/nats-connection.js'
import { natsQueue } from '../src/queue/nats-queue.js'
import { tasksStream } from '../src/queue/tasks-stream.js'
import { ensureStream } from '../src/streams.js'

export interface QueueParts {
  readonly queue: TaskQueue
  readonly connection: NatsConnection
  close(): Promise<void>
}

export interface PartsOptions {
  readonly createStreams?: boolean
  readonly requestTimeoutMs?: number
  readonly connection?: NodeConnectionOptions
}

/** Delivery alone, without the rest of the adapter, on a connection of its own. */
export async function openParts(url: string, prefix: string, options: PartsOptions = {}): Promise<QueueParts> {
  const { createStreams = true, requestTimeoutMs = 5_000, connection: given = {} } = options
  const connection = await NatsConnection.open({ servers: url, requestTimeoutMs, connection: given })
  const context = { connection, names: namesOf(prefix), replicas: 1, createStreams }
  if (createStreams) await ensureStream(connection, tasksStream(context.names, context))
  const queue = natsQueue(context)
  const close = async (): Promise<void> => {
    await queue.close()
    await connection.close()
  }
  return { queue, connection, close }
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
