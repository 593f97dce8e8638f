import { createHash } from 'node:crypto'
import type { Adapter, ConsumeOptions, Consumer, Delivery, DeliveryHandler, Offer, TaskId } from '@reprise/core/adapter'
import { runId } from './sample-records.js'

export function offerOf(taskId: string, options: Partial<Offer> = {}): Offer {
  const body = options.body ?? JSON.stringify({ v: 1, taskId })
  const digest = createHash('sha256').update(body).digest('hex')
  return { runId: runId('run-1'), taskId: taskId as TaskId, attempt: 1, lane: 'default', digest, body, ...options }
}

/** A worker that notes what it was handed. */
export interface RecordingWorker {
  readonly deliveries: Delivery[]
  taskIds(): string[]
  readonly consumer: Consumer
}

let workers = 0

export async function startWorker(
  adapter: Adapter,
  options: Partial<ConsumeOptions> & { claimTtlMs: number; lane?: string },
  handler: DeliveryHandler = async () => {},
): Promise<RecordingWorker> {
  workers++
  const { lane = 'default', ...consuming } = options
  const deliveries: Delivery[] = []
  const record: DeliveryHandler = (delivery) => {
    deliveries.push(delivery)
    return handler(delivery)
  }
  const consumer = await adapter.queue.consume(lane, record, {
    workerId: `worker-${workers}`,
    concurrency: 1,
    ...consuming,
  })
  return { deliveries, taskIds: () => deliveries.map(({ offer }) => offer.taskId), consumer }
}
