import { isNatsFailure } from '../nats-failure.js'
import type { LaneNames } from './lane-names.js'
import { type HolderAnswer, readHolderAnswer } from './lane-talk.js'
import type { QueueContext } from './queue-context.js'

const answersDefaultMs = 1_000

/** `null`: nobody has it, or its holder is busy, stopped or dead. */
export async function askHolder(
  context: QueueContext,
  lane: LaneNames,
  token: string,
  doing: string,
): Promise<HolderAnswer | null> {
  const { connection, holderAnswersMs: timeoutMs = answersDefaultMs } = context
  try {
    const message = await connection.request(lane.where, token, { doing, timeoutMs, ofMember: true })
    return readHolderAnswer(message)
  } catch (error) {
    if (isNatsFailure(error, 'nobody-there') || isNatsFailure(error, 'timeout')) return null
    throw error
  }
}
