import type { Offer, RunId, TaskId } from '@reprise/core/adapter'

const newline = 0x0a

/** An offer as bytes: a line of JSON with its ids and digest, then the body as it is. The lane is in the subject. */
export const encodeTask = ({ runId, taskId, attempt, digest, body }: Offer): Buffer =>
  Buffer.from(`${JSON.stringify([runId, taskId, attempt, digest])}\n${body}`)

/** `null` if we have not written this. */
export function decodeTask(data: Uint8Array, lane: string): Offer | null {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const end = bytes.indexOf(newline)
  if (end < 0) return null
  const head = readHead(bytes.toString('utf8', 0, end))
  return head === null ? null : { ...head, lane, body: bytes.toString('utf8', end + 1) }
}

/** The digest in the message's first line. */
export const digestIn = (data: Uint8Array): string | null => decodeTask(data, '')?.digest ?? null

function readHead(line: string): Omit<Offer, 'lane' | 'body'> | null {
  try {
    const head: unknown = JSON.parse(line)
    if (!Array.isArray(head)) return null
    const [runId, taskId, attempt, digest] = head as unknown[]
    if (typeof runId !== 'string' || typeof taskId !== 'string') return null
    if (typeof attempt !== 'number' || typeof digest !== 'string') return null
    return { runId: runId as RunId, taskId: taskId as TaskId, attempt, digest }
  } catch {
    return null
  }
}

/** What the subject that acknowledges a message tells about its delivery. */
export interface DeliveryInfo {
  /** How often the server has handed the message out. */
  readonly deliveries: number
  /** Position in the stream. */
  readonly seq: number
}

/** Tokens of `$JS.ACK.<stream>.<consumer>.<deliveries>.<seq>…`, and of the form with domain and account behind ACK. */
const shortForm = 9

export function readDelivery(ackSubject: string): DeliveryInfo | null {
  const tokens = ackSubject.split('.')
  if (tokens.length < shortForm || tokens[1] !== 'ACK') return null
  const at = tokens.length === shortForm ? 4 : 6
  return { deliveries: Number(tokens[at]), seq: Number(tokens[at + 1]) }
}

export const nameOf = ({ runId, taskId, attempt }: Pick<Offer, 'runId' | 'taskId' | 'attempt'>): string =>
  `attempt ${attempt} of task "${taskId}" in run "${runId}"`
