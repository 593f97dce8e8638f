import { createHash } from 'node:crypto'
import type { NodeConnectionOptions } from '@nats-io/transport-node'
import type { Delivery, Offer, RunId, TaskId, TaskQueue, Whereabouts } from '@reprise/core/adapter'
import { namesOf } from '../src/names.js'
import { NatsConnection } from '../src/nats-connection.js'
import { natsQueue } from '../src/queue/nats-queue.js'
import { tasksStream } from '../src/queue/tasks-stream.js'
import { ensureStream } from '../src/streams.js'
import { patienceMs } from './patience.js'

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

/** A claim that does not run out while anybody waits for something here. */
export const longClaimMs = 10 * patienceMs
/** A claim that a test waits out. It stands while its worker does nothing for a moment, as on a busy machine. */
export const shortClaimMs = 5_000
const lookMs = 5

/** Looks again and again until `condition` holds. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + patienceMs
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`After ${patienceMs} ms it still does not hold that ${what}.`)
    await new Promise((resolve) => setTimeout(resolve, lookMs))
  }
}

/** Where the attempt is once its holder has answered: one that cannot within a second is taken for busy or dead. */
export async function whereClaimed(queue: TaskQueue, taskId: string): Promise<Whereabouts> {
  const answers: Whereabouts[] = []
  await until(`the holder of ${taskId} says so`, async () => {
    answers.push(await queue.locate(run, id(taskId), 1))
    return answers.at(-1)?.at === 'claimed'
  })
  return answers.at(-1) as Whereabouts
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
