import type { ConsumerConfig, ConsumerInfo } from '@nats-io/jetstream'
import { isRepriseError, RepriseError } from '@reprise/core/adapter'
import { apiCodes, isApiFailure, isNatsFailure } from '../nats-failure.js'
import { ensureStream } from '../streams.js'
import type { LaneNames } from './lane-names.js'
import type { QueueContext } from './queue-context.js'
import { tasksStream } from './tasks-stream.js'

const nanosPerMs = 1e6
/** Pull requests of all idle workers of a lane together; the server's own limit is 512. Slots share requests. */
const maxWaiting = 8192
/** What a consumer begins with that no worker has asked for: the default `claimTtlMs` of a worker. */
const ackWaitDefaultMs = 10_000

/** The durable consumer of a lane, as it was found or made. */
export interface LaneState {
  /** A claim that is not renewed for so long goes to another worker. Milliseconds. */
  readonly ackWaitMs: number
  /** When the consumer was made, by the server's clock: another time, another consumer. See `isAnother`. */
  readonly createdMs: number
  readonly made: 'nothing' | 'consumer' | 'stream'
  /** We have no right to change it: not worth another try. */
  readonly isFixed: boolean
}

/** Servers 2.9 make it anew from their disk when they start, and then say another time, by less than a millisecond. */
const createdToleranceMs = 1_000

/** Whether the consumer that was there `before` is gone, and `found` was made in its place. */
export const isAnother = (found: LaneState, before: LaneState): boolean =>
  found.made !== 'nothing' || Math.abs(found.createdMs - before.createdMs) > createdToleranceMs

/** A pull consumer that hands out any number of messages, as often as it takes. */
const consumerConfig = (lane: LaneNames, ackWaitMs: number): Partial<ConsumerConfig> =>
  ({
    name: lane.consumer,
    durable_name: lane.consumer,
    filter_subject: lane.tasks,
    ack_policy: 'explicit',
    deliver_policy: 'all',
    replay_policy: 'instant',
    ack_wait: ackWaitMs * nanosPerMs,
    // The log counts attempts and judges poison. A message past max_deliver would stay and never be delivered.
    max_deliver: -1,
    max_ack_pending: -1,
    max_waiting: maxWaiting,
  }) as const

/**
 * Looks at the consumer of a lane, and makes what is missing if this user may: consumers whoever has the right, the
 * stream if `createStreams` says so. The server has one ack wait for all workers of a lane: it is raised to the longest
 * `claimTtlMs` among them, so that none loses a claim too early, and lowered only by a worker that finds nobody else
 * there. Who may not change it lives with what there is, and so does who asks for nothing (`null`).
 */
export async function ensureLane(
  context: QueueContext,
  lane: LaneNames,
  claimTtlMs: number | null,
): Promise<LaneState> {
  const { connection, names, createStreams } = context
  const ackWaitMs = claimTtlMs ?? ackWaitDefaultMs
  try {
    const found = await readConsumer(context, lane)
    refuseUnsafe(found, context, lane)
    if (claimTtlMs === null || !shouldChange(found, claimTtlMs)) return stateOf(found)
    return await changeAckWait(context, lane, found, claimTtlMs)
  } catch (error) {
    if (isApiFailure(error, apiCodes.consumerNotFound)) return await makeConsumer(context, lane, ackWaitMs)
    if (!createStreams || !isApiFailure(error, apiCodes.streamNotFound)) throw error
  }
  await ensureStream(connection, tasksStream(names, context))
  return { ...(await makeConsumer(context, lane, ackWaitMs)), made: 'stream' }
}

/** What is missing is for others to make: waiting helps. */
export const isMissing = (error: unknown): boolean =>
  isApiFailure(error, apiCodes.streamNotFound) || isLaneMissing(error)

/** There is no consumer, and we may not make it. */
export const isLaneMissing = (error: unknown): boolean => isRepriseError(error) && error.details.missing === 'lane'

async function makeConsumer(context: QueueContext, lane: LaneNames, ackWaitMs: number): Promise<LaneState> {
  try {
    return { ...stateOf(await writeConsumer(context, lane, ackWaitMs)), made: 'consumer' }
  } catch (error) {
    if (!isNatsFailure(error, 'forbidden')) throw error
    throw new RepriseError(
      'ADAPTER_UNAVAILABLE',
      `The stream ${context.names.tasksStream} has no consumer ${lane.consumer} yet, and this user may not make it. A coordinator makes it with its first offer to that lane, or when a worker of it asks; a worker waits for it.`,
      { cause: error, details: { missing: 'lane', consumer: lane.consumer } },
    )
  }
}

export const readConsumer = ({ connection, names }: QueueContext, lane: LaneNames): Promise<ConsumerInfo> =>
  connection.api<ConsumerInfo>(`CONSUMER.INFO.${names.tasksStream}.${lane.consumer}`, null, {
    doing: `Looking at the consumer ${lane.consumer} of stream ${names.tasksStream}`,
  })

function shouldChange(found: ConsumerInfo, claimTtlMs: number): boolean {
  const ackWaitMs = ackWaitOf(found)
  if (ackWaitMs < claimTtlMs) return true
  // A live worker waits for a message or has one.
  const nobodyThere = found.num_waiting === 0 && found.num_ack_pending === 0
  return ackWaitMs > claimTtlMs && nobodyThere
}

async function changeAckWait(
  context: QueueContext,
  lane: LaneNames,
  found: ConsumerInfo,
  claimTtlMs: number,
): Promise<LaneState> {
  try {
    return stateOf(await writeConsumer(context, lane, claimTtlMs))
  } catch (error) {
    // No rights, or an answer that never came: the lane is there, and that is enough to work.
    if (isNatsFailure(error) && error.kind !== 'disconnected')
      return { ...stateOf(found), isFixed: error.kind !== 'timeout' }
    throw error
  }
}

const writeConsumer = ({ connection, names }: QueueContext, lane: LaneNames, ackWaitMs: number) =>
  connection.api<ConsumerInfo>(
    `CONSUMER.CREATE.${names.tasksStream}.${lane.consumer}.${lane.tasks}`,
    { stream_name: names.tasksStream, config: consumerConfig(lane, ackWaitMs) },
    { doing: `Making the consumer ${lane.consumer} of stream ${names.tasksStream}` },
  )

/** Somebody else's consumer under this name, or one that was edited, may lose what it delivers. */
function refuseUnsafe({ config }: ConsumerInfo, { names }: QueueContext, lane: LaneNames): void {
  const wrong = whatIsWrong(config, lane)
  if (wrong === null) return
  throw new RepriseError(
    'UNSAFE_SERVER',
    `The consumer ${lane.consumer} of stream ${names.tasksStream} has ${wrong}. Delete it: it is made again as it must be.`,
    { details: { stream: names.tasksStream, consumer: lane.consumer } },
  )
}

function whatIsWrong(config: ConsumerConfig, lane: LaneNames): string | null {
  if (config.ack_policy !== 'explicit') return `ack_policy ${config.ack_policy} instead of explicit`
  if (config.filter_subject !== lane.tasks) return `filter_subject ${config.filter_subject} instead of ${lane.tasks}`
  if ((config.max_deliver ?? -1) <= 0) return null
  return `max_deliver ${config.max_deliver}, after which an attempt stays for ever and is never handed out`
}

const ackWaitOf = ({ config }: ConsumerInfo): number => (config.ack_wait ?? 0) / nanosPerMs

const stateOf = (info: ConsumerInfo): LaneState => ({
  ackWaitMs: ackWaitOf(info),
  createdMs: Date.parse(String(info.created)),
  made: 'nothing',
  isFixed: false,
})
