import { headers, type Msg, type MsgHdrs } from '@nats-io/transport-node'
import type { NatsConnection } from './nats-connection.js'
import { apiCodes, isApiFailure, isNatsFailure } from './nats-failure.js'

/** A message as a stream holds it. */
export interface StoredMessage {
  /** In the stream, from 1. Of all subjects, so one subject's have gaps. */
  readonly seq: number
  readonly subject: string
  readonly headers: MsgHdrs | undefined
  readonly data: Uint8Array
  /** ISO time by the server's clock; empty where nobody asks for it. */
  readonly time: string
}

/** Which message of a stream: the last of a subject, the first of it at or after a sequence, or that of a sequence. */
export type Wanted =
  | { readonly lastOf: string }
  | { readonly firstOf: string; readonly fromSeq: number }
  | { readonly at: number }

export interface ReadableStream {
  readonly stream: string
  /** Whether the server answers reads without asking the leader: twice as fast, and right for one replica only. */
  readonly direct: boolean
}

/** One message, or `null`: one round trip. */
export async function getMessage(
  connection: NatsConnection,
  { stream, direct }: ReadableStream,
  wanted: Wanted,
  doing: string,
): Promise<StoredMessage | null> {
  if (!direct) return await getFromLeader(connection, stream, wanted, doing)
  const isLast = 'lastOf' in wanted
  const subject = isLast ? `$JS.API.DIRECT.GET.${stream}.${wanted.lastOf}` : `$JS.API.DIRECT.GET.${stream}`
  try {
    const message = await connection.request(subject, isLast ? '' : JSON.stringify(asked(wanted)), { doing })
    return message.headers?.code === 404 ? null : fromDirect(message)
  } catch (error) {
    if (isNatsFailure(error, 'timeout')) await explainSilence(connection, stream, doing)
    throw error
  }
}

/** Sequence of the newest message that matches `filter`, wildcards allowed; 0 if there is none. One round trip. */
export async function newestSeqOf(
  connection: NatsConnection,
  { stream, direct }: ReadableStream,
  filter: string,
  doing: string,
): Promise<number> {
  if (!direct) return (await getFromLeader(connection, stream, { lastOf: filter }, doing))?.seq ?? 0
  // A subject with wildcards cannot be part of the one that is asked.
  const body = JSON.stringify(asked({ lastOf: filter }))
  const message = await connection.request(`$JS.API.DIRECT.GET.${stream}`, body, { doing })
  return message.headers?.code === 404 ? 0 : fromDirect(message).seq
}

const asked = (wanted: Wanted): object => {
  if ('lastOf' in wanted) return { last_by_subj: wanted.lastOf }
  return 'at' in wanted ? { seq: wanted.at } : { seq: wanted.fromSeq, next_by_subj: wanted.firstOf }
}

/** Nobody answers for a stream that was deleted: whether that is so, the API says, to those who may ask it. */
async function explainSilence(connection: NatsConnection, stream: string, doing: string): Promise<void> {
  try {
    await connection.api(`STREAM.INFO.${stream}`, null, { doing })
  } catch (error) {
    if (isApiFailure(error, apiCodes.streamNotFound)) throw error
  }
}

const fromDirect = ({ headers: given, data }: Msg): StoredMessage => ({
  seq: Number(given?.get('Nats-Sequence')),
  subject: given?.get('Nats-Subject') ?? '',
  headers: given,
  data,
  time: given?.get('Nats-Time-Stamp') ?? '',
})

interface ApiMessage {
  readonly message: { subject: string; seq: number; hdrs?: string; data?: string; time: string }
}

async function getFromLeader(
  connection: NatsConnection,
  stream: string,
  wanted: Wanted,
  doing: string,
): Promise<StoredMessage | null> {
  try {
    const { message } = await connection.api<ApiMessage>(`STREAM.MSG.GET.${stream}`, asked(wanted), { doing })
    return {
      seq: message.seq,
      subject: message.subject,
      headers: message.hdrs === undefined ? undefined : readHeaders(Buffer.from(message.hdrs, 'base64').toString()),
      data: Buffer.from(message.data ?? '', 'base64'),
      time: message.time,
    }
  } catch (error) {
    if (isApiFailure(error, apiCodes.messageNotFound)) return null
    throw error
  }
}

function readHeaders(text: string): MsgHdrs {
  const result = headers()
  for (const line of text.split('\r\n').slice(1)) {
    const colon = line.indexOf(':')
    if (colon > 0) result.append(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  return result
}
