import type { Names } from '../names.js'
import type { NatsConnection } from '../nats-connection.js'

/** What delivery needs of the adapter that it belongs to. */
export interface QueueContext {
  readonly connection: NatsConnection
  readonly names: Names
  readonly replicas: number
  /** Whether a missing stream may be made by us. Without it, somebody else has to. */
  readonly createStreams: boolean
  /** A holder that is asked and does not answer within this is busy, stopped or dead. Default: a second. */
  readonly holderAnswersMs?: number
}
