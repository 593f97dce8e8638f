import type { RepriseError } from '../protocol/errors.js'
import type { Incident } from './incident.js'

/** What a watchdog tells about itself. A listener that throws is reported by `error`. */
export interface WatchdogEvents {
  /** It watches from now on. */
  active: []
  /** Another one watches, or this one's own run was lost: it waits for its turn. */
  standby: []
  /** An incident was found and is durable: it will be told. */
  raised: [incident: Incident]
  /** The notification has succeeded, and that is durable. */
  told: [incident: Incident]
  /** It was over before it was told. */
  over: [incident: Incident]
  /** Something failed that did not stop the watchdog: a notification, a run that could not be looked at, a transport. */
  error: [error: unknown]
  /** It cannot go on at all. */
  stopped: [error: RepriseError]
}
