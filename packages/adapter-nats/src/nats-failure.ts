import { errors } from '@nats-io/transport-node'
import { RepriseError } from '@reprise/core/adapter'

/** Answers of the JetStream API that somebody reacts to. */
export const apiCodes = {
  consumerNotFound: 10014,
  messageNotFound: 10037,
  notEnabledForAccount: 10039,
  streamNameInUse: 10058,
  streamSubjectsOverlap: 10065,
  streamNotFound: 10059,
  wrongLastSequence: 10071,
  notEnabled: 10076,
} as const

/**
 * Why a request got no good answer. `timeout` and `disconnected`: it may have taken effect. `nobody-there`: it
 * reached no stream. `forbidden`: the server did not let it pass. `api`: the server refused it, see `apiCode`.
 */
export type FailureKind = 'timeout' | 'disconnected' | 'nobody-there' | 'forbidden' | 'api'

/** A request that failed, as users see it if nobody can do anything about it. */
export class NatsFailure extends RepriseError {
  readonly kind: FailureKind
  /** Of an `api` failure: `err_code` of the answer. */
  readonly apiCode: number | null

  constructor(kind: FailureKind, message: string, options: { apiCode?: number; cause?: unknown; subject: string }) {
    const { apiCode = null, cause, subject } = options
    super('ADAPTER_UNAVAILABLE', message, {
      details: { kind, subject, ...(apiCode === null ? {} : { apiCode }) },
      ...(cause === undefined ? {} : { cause }),
    })
    this.kind = kind
    this.apiCode = apiCode
  }
}

export const isNatsFailure = (error: unknown, kind?: FailureKind): error is NatsFailure =>
  error instanceof NatsFailure && (kind === undefined || error.kind === kind)

export const isApiFailure = (error: unknown, apiCode: number): boolean =>
  error instanceof NatsFailure && error.apiCode === apiCode

/** What was asked, for messages. */
export interface Asked {
  /** Such as `Appending commit 3 of run build-7`. */
  readonly doing: string
  readonly subject: string
  readonly timeoutMs: number
}

/** An error of the client as one of ours. */
export function requestFailure(error: unknown, { doing, subject, timeoutMs }: Asked): RepriseError {
  const { reason, name } = rootOf(error)
  if (name === 'NoResponders') {
    const message = `${doing} failed: nothing on the server listens to "${subject}". Nothing has been kept there under this prefix yet, or the stream or consumer was deleted, or JetStream is off or has no leader yet. Look with "nats stream ls"; a stream is made again when the adapter is opened again, without its content.`
    return new NatsFailure('nobody-there', message, { subject, cause: error })
  }
  if (name === 'PermissionViolationError') {
    const message = `${doing} failed: this user may not use "${subject}". Give it the permissions of its role: the README of @reprise/adapter-nats lists them.`
    return new NatsFailure('forbidden', message, { subject, cause: error })
  }
  if (name === 'TimeoutError') {
    const message = `${doing} failed: the server did not answer within ${timeoutMs} ms. Try again; if this goes on, look at the server's load and at the permissions of this user.`
    return new NatsFailure('timeout', message, { subject, cause: error })
  }
  if (reason.includes('max_payload')) {
    return new RepriseError(
      'TOO_LARGE',
      `${doing} failed: the message exceeds the server's max_payload. Leave that at 1 MiB or more.`,
      { details: { subject }, cause: error },
    )
  }
  const message = `${doing} failed: the connection was lost meanwhile (${reason}). It is made again by itself; try again.`
  return new NatsFailure('disconnected', message, { subject, cause: error })
}

/** The `error` of an answer of the JetStream API. */
export function apiFailure(
  error: { err_code?: number; description?: string },
  doing: string,
  subject: string,
): NatsFailure {
  const apiCode = error.err_code ?? 0
  const remedy = remedies[apiCode] ?? 'Look into the log of the server.'
  const message = `${doing} failed: ${error.description ?? 'the server gave no reason'} (${apiCode}). ${remedy}`
  return new NatsFailure('api', message, { subject, apiCode })
}

const remedies: Readonly<Record<number, string>> = {
  10002: "The account's limits are used up: raise them, or remove what is no longer needed.",
  10003: 'The limits of this account allow no more consumers: raise them.',
  10008: 'The cluster has no leader at the moment: try again.',
  10014: 'Somebody deleted the consumer: it is made again with the next call.',
  10023: 'The server has no room left: free some space, then try again.',
  10026: 'The limits of this account allow no more consumers: raise them.',
  10027: 'The limits of this account allow no more streams: raise them.',
  10028: 'The server has no room left: free some space, then try again.',
  10039: 'Enable JetStream for this account.',
  10047: 'The server has no room left: give JetStream more storage (max_file_store), then try again.',
  10059:
    'Either nothing has been kept on this server under this prefix yet: look at the address and the prefix. Or somebody deleted the stream: restore it from a backup, or open the adapter again for an empty one.',
  10074: 'The server is not part of a cluster that could keep so many replicas: open with replicas: 1.',
  10076: 'Start the server with JetStream: nats-server -js -sd <folder>.',
  10077: 'The stream is full: take its max_bytes and max_msgs away.',
}

function rootOf(error: unknown): { reason: string; name: string } {
  const cause = error instanceof errors.RequestError && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? { reason: cause.message, name: cause.name } : { reason: String(cause), name: '' }
}
