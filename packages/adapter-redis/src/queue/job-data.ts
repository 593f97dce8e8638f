import { type Offer, RepriseError, type RunId, type TaskId } from '@reprise/core/adapter'

const bodyField = ',"dispatch":'

/**
 * What BullMQ stores as the data of a job: JSON, for tools that look at queues, with the body in it as it is.
 * Encoding the body once more would cost both sides, and parsing it would not give back the same bytes.
 */
export const encodeJobData = ({ runId, taskId, attempt, body }: Offer): string =>
  `{"runId":${JSON.stringify(runId)},"taskId":${JSON.stringify(taskId)},"attempt":${attempt}${bodyField}${body}}`

/**
 * The offer in a claimed job. The digest is the job's name: there it can be compared without reading the data.
 * `DISPATCH_MISMATCH` if this is not what was offered: somebody removed or changed the job's hash.
 */
export function decodeJobData(lane: string, id: string, digest: unknown, data: unknown): Offer {
  const at = typeof data === 'string' ? data.indexOf(bodyField) : -1
  // Quotes inside the ids are escaped, so the first match is the field.
  if (typeof data === 'string' && typeof digest === 'string' && at > 0) {
    const { runId, taskId, attempt } = parseHead(`${data.slice(0, at)}}`)
    if (typeof runId === 'string' && typeof taskId === 'string' && typeof attempt === 'number') {
      const body = data.slice(at + bodyField.length, -1)
      return { runId: runId as RunId, taskId: taskId as TaskId, attempt, lane, digest, body }
    }
  }
  throw new RepriseError(
    'DISPATCH_MISMATCH',
    `Job ${id} of lane ${lane} is damaged: its data was removed or changed in Redis. It was dropped; its attempt is dispatched again at its deadline. Give this adapter a prefix of its own.`,
    { details: { lane, jobId: id } },
  )
}

function parseHead(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return {}
  }
}
