import { isRepriseError, type RunId, type StoredPiece } from '@reprise/core/adapter'
import { readEntry } from './log-entry.js'
import type { NatsConnection } from './nats-connection.js'
import { getMessage, type ReadableStream, type StoredMessage } from './stored-message.js'
import { SubjectReader } from './subject-reader.js'

/** Every message of a run's subject, whatever it holds, from the run's newest life on. */
export async function* storedMessages(
  connection: NatsConnection,
  stream: ReadableStream,
  subject: string,
  runId: RunId,
): AsyncGenerator<StoredPiece> {
  const doing = `Reading the log of run ${runId}`
  const last = await getMessage(connection, stream, { lastOf: subject }, doing)
  if (last === null) return
  const life = lifeOf(last, runId)
  if (life === null) return
  const reader = new SubjectReader(connection, { stream: stream.stream, filter: subject, fromSeq: life + 1, doing })
  try {
    for (;;) {
      for (const { seq, data } of await reader.next(connection.ended)) {
        yield { place: `message ${seq}`, bytes: data, length: data.length, whole: true }
        if (seq >= last.seq) return
      }
      connection.assertOpen()
    }
  } finally {
    reader.close()
  }
}

/** Behind which message it began; `null` if the run was removed. What is not of this library has no life of its own. */
function lifeOf(message: StoredMessage, runId: RunId): number | null {
  try {
    const entry = readEntry(message, runId)
    return entry.kind === 'removal' ? null : entry.life
  } catch (error) {
    if (isRepriseError(error, 'LOG_CORRUPT')) return 0
    throw error
  }
}
