import { createHash } from 'node:crypto'
import type { RedisKeys } from '../keys.js'

/** The BullMQ queue of a lane. Everything of a lane has one hash tag, so it is on one node of a cluster. */
export interface LaneKeys {
  readonly lane: string
  /** BullMQ's `prefix`: the lane's hash tag. Tools that show BullMQ queues are given this and `queueName`. */
  readonly prefix: string
  readonly wait: string
  readonly active: string
  readonly delayed: string
  readonly prioritized: string
  readonly stalled: string
  readonly marker: string
  readonly meta: string
  /** What the key of a job begins with. */
  readonly jobs: string
  /** Pub/sub channel: ids of jobs that were withdrawn while somebody had them. A hint, never relied on. */
  readonly withdrawn: string
  job(id: string): string
  lock(id: string): string
}

/** Name of the only BullMQ queue under a lane's prefix. */
export const queueName = 'tasks'

export function laneKeys(keys: RedisKeys, lane: string): LaneKeys {
  const prefix = keys.laneTag(lane)
  const jobs = `${prefix}:${queueName}:`
  return {
    ...{ lane, prefix, jobs },
    wait: `${jobs}wait`,
    active: `${jobs}active`,
    delayed: `${jobs}delayed`,
    prioritized: `${jobs}prioritized`,
    stalled: `${jobs}stalled`,
    marker: `${jobs}marker`,
    meta: `${jobs}meta`,
    withdrawn: `${prefix}:withdrawn`,
    job: (id) => `${jobs}${id}`,
    lock: (id) => `${jobs}${id}:lock`,
  }
}

/** Set: names of the lanes that something was ever offered on. An attempt does not say which lane it is on. */
export const lanesKey = ({ prefix }: RedisKeys): string => `{${prefix}:lanes}`

const plain = /^[A-Za-z0-9_-]+$/
const readableMax = 160

/**
 * BullMQ's id of an attempt: as it is where that is plain and short, so that people recognise it, else a digest.
 * BullMQ refuses integers and `:`; both forms have dots or a tilde, so neither is one of its own key names either.
 */
export function jobId(runId: string, taskId: string, attempt: number): string {
  if (runId.length + taskId.length <= readableMax && plain.test(runId) && plain.test(taskId)) {
    return `${runId}.${taskId}.${attempt}`
  }
  const digest = createHash('sha256')
    .update(JSON.stringify([runId, taskId, attempt]))
    .digest('base64url')
  return `~${digest}`
}
