import type { Names } from '../names.js'
import type { StreamSettings, WantedStream } from '../streams.js'

/** For so long a repeated offer is known without looking, and also when its attempt has been settled meanwhile. */
const duplicateWindowMs = 30_000

/** The server's reason when the subject has a message: its code, 10077, also stands for a full stream or disk. */
export const isSubjectTaken = (reason: string): boolean => reason.includes('maximum messages per subject')

/**
 * Attempts that are not settled, one message each. A message is gone once it is acknowledged, so what is in the
 * stream is what is out. Nothing else removes it but a withdrawal: no age, no size, no discarding.
 *
 * An attempt has a subject of its own, and a second message on a subject is refused (`isSubjectTaken`), be the first waiting or
 * in a worker's hands. So offering is idempotent for as long as the attempt is out, whatever the duplicate window.
 */
export const tasksStream = (names: Names, { replicas }: StreamSettings): WantedStream => ({
  name: names.tasksStream,
  subjects: [names.tasksSubjects],
  retention: 'workqueue',
  storage: 'file',
  discard: 'new',
  discard_new_per_subject: true,
  max_msgs_per_subject: 1,
  num_replicas: replicas,
  duplicate_window: duplicateWindowMs * 1e6,
  // Workers ask whether what they hold is still there. A replica that lags would deny it.
  allow_direct: replicas === 1,
})
