import { RepriseError } from '@reprise/core/adapter'
import type { NatsConnection } from './nats-connection.js'
import { apiCodes, isApiFailure, isNatsFailure } from './nats-failure.js'

export const versionMin = '2.9.10'
/**
 * Before, a stream with replicas compares the expected sequence before earlier messages have arrived: two appends that
 * expect the same may both be taken (seen on three servers 2.9.10). With one replica it is one step in every version.
 */
const versionMinForReplicas = '2.11.0'
/** The largest commit, 512 KiB, with what is around it. */
const payloadBytesMin = 600 * 1024

/** Refuses a server that cannot do what the promises need. No round trip: it has introduced itself. */
export function checkServer(connection: NatsConnection, replicas: number): void {
  const { info } = connection.client
  if (info === undefined) return
  if (isOlder(info.version, versionMin)) {
    throw new RepriseError(
      'UNSAFE_SERVER',
      `This is nats-server ${info.version}, and ${versionMin} or later is needed: older ones cannot read the newest message of a subject directly, nor limit a subject to one message. Update the server.`,
      { details: { version: info.version, versionMin } },
    )
  }
  if (replicas > 1 && isOlder(info.version, versionMinForReplicas)) {
    throw new RepriseError(
      'UNSAFE_SERVER',
      `This is nats-server ${info.version}, and replicas: ${replicas} needs ${versionMinForReplicas} or later: with replicas, older ones can take two commits for one place. Update the servers, or open with replicas: 1.`,
      { details: { version: info.version, versionMin: versionMinForReplicas } },
    )
  }
  if (info.max_payload < payloadBytesMin) {
    throw new RepriseError(
      'UNSAFE_SERVER',
      `The server takes messages of ${info.max_payload} bytes, and a commit may need ${payloadBytesMin}. Set max_payload to 1MB, its default, or more.`,
      { details: { maxPayload: info.max_payload, payloadBytesMin } },
    )
  }
}

/** The same error, said for somebody who opens an adapter: most often JetStream is not there at all. */
export function explainNoJetStream(error: unknown): unknown {
  const isOff = isApiFailure(error, apiCodes.notEnabled) || isNatsFailure(error, 'nobody-there')
  const isOffForAccount = isApiFailure(error, apiCodes.notEnabledForAccount)
  if (!isOff && !isOffForAccount) return error
  const message = isOffForAccount
    ? 'JetStream is not enabled for the account of this user. Enable it: "jetstream: enabled" in the account.'
    : 'The server has no JetStream. Start it with nats-server -js -sd <folder>, or enable JetStream for this account.'
  return new RepriseError('UNSAFE_SERVER', message, { cause: error })
}

export function isOlder(version: string, than: string): boolean {
  const parts = (text: string): number[] => text.split(/[.-]/, 3).map((part) => Number.parseInt(part, 10) || 0)
  const [mine, theirs] = [parts(version), parts(than)]
  for (const at of [0, 1, 2]) {
    const difference = (mine[at] ?? 0) - (theirs[at] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}
