import { apiCodes, isApiFailure } from '../nats-failure.js'
import { anyLaneSubject, laneTokenOf } from './lane-names.js'
import type { QueueContext } from './queue-context.js'

/** An attempt that is out: waiting, or in a worker's hands. */
export interface FoundAttempt {
  readonly seq: number
  readonly laneToken: string
  readonly data: Uint8Array
}

interface StoredAnswer {
  readonly message: { readonly subject: string; readonly seq: number; readonly data?: string }
}

/**
 * Looks an attempt up by its token. Nobody says in which lane it is: the lanes that are known here are asked all at
 * once, one look each, and only if none has it the server searches its stream (40 ms among 100,000 on 2.9).
 */
export async function findAttempt(
  context: QueueContext,
  lanes: Iterable<string>,
  token: string,
  doing: string,
): Promise<FoundAttempt | null> {
  const { prefix } = context.names
  const looks = [...lanes].map((lane) => lastOn(context, `${prefix}.tasks.${lane}.${token}`, doing))
  const found = (await Promise.all(looks)).find((one) => one !== null)
  return found ?? (await lastOn(context, anyLaneSubject(context.names, token), doing))
}

/** The message of a subject, as the leader of the stream has it. */
export async function lastOn(context: QueueContext, subject: string, doing: string): Promise<FoundAttempt | null> {
  const { connection, names } = context
  try {
    const path = `STREAM.MSG.GET.${names.tasksStream}`
    const { message } = await connection.api<StoredAnswer>(path, { last_by_subj: subject }, { doing })
    return {
      seq: message.seq,
      laneToken: laneTokenOf(message.subject),
      data: Buffer.from(message.data ?? '', 'base64'),
    }
  } catch (error) {
    if (isApiFailure(error, apiCodes.messageNotFound)) return null
    throw error
  }
}
