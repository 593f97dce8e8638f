import type { NatsConnection } from '../nats-connection.js'
import type { HeldAttempt } from './held-attempt.js'
import type { LaneNames } from './lane-names.js'

/** Bodies travel along, so not all at once. */
const atOnce = 32

/**
 * Those of `held` whose message has gone from the stream: settled by another worker, or withdrawn. What cannot be
 * looked at counts as there: the log judges in the end.
 */
export async function findGone(
  connection: NatsConnection,
  stream: string,
  lane: LaneNames,
  held: readonly HeldAttempt[],
): Promise<HeldAttempt[]> {
  const gone: HeldAttempt[] = []
  for (let from = 0; from < held.length; from += atOnce) {
    const some = held.slice(from, from + atOnce)
    const there = await Promise.all(some.map((one) => isThere(connection, stream, lane, one)))
    gone.push(...some.filter((_, i) => !there[i]))
  }
  return gone
}

async function isThere(
  connection: NatsConnection,
  stream: string,
  lane: LaneNames,
  { token, seq }: HeldAttempt,
): Promise<boolean> {
  const subject = `$JS.API.DIRECT.GET.${stream}.${lane.taskSubject(token)}`
  try {
    const { headers } = await connection.request(subject, '', { doing: 'Looking for an attempt that is in our hands' })
    if (headers?.code === 404) return false
    return (headers?.get('Nats-Sequence') ?? String(seq)) === String(seq)
  } catch {
    return true
  }
}
