import { RepriseError } from '../protocol/errors.js'
import { sha256 } from '../protocol/sha256.js'
import type { Dispatch, Offer } from '../protocol/task.js'
import { epochMs } from '../protocol/time.js'

/**
 * The dispatch in an offer: one hash, one parse. `DISPATCH_MISMATCH` if its text is not what its digest says, is
 * about another attempt, or has a form that this version does not know: then nothing in it can be relied on.
 */
export function readDispatch(offer: Offer): { dispatch: Dispatch; deadlineMs: number } {
  const digest = sha256(offer.body)
  if (digest !== offer.digest) throw mismatch(offer, `its text has the digest ${digest}, not ${offer.digest}`)
  let dispatch: Dispatch
  try {
    dispatch = JSON.parse(offer.body)
  } catch (error) {
    throw mismatch(offer, 'its text is not JSON', error)
  }
  if (typeof dispatch !== 'object' || dispatch === null) throw mismatch(offer, 'its text is not an object')
  if (dispatch.v !== 1 || dispatch.receipt !== 1) {
    throw mismatch(offer, 'it was made by another version of this library; update this worker')
  }
  const { runId, taskId, attempt } = dispatch
  if (runId !== offer.runId || taskId !== offer.taskId || attempt !== offer.attempt) {
    throw mismatch(offer, `its text is about attempt ${attempt} of task ${JSON.stringify(taskId)} of run ${runId}`)
  }
  const deadlineMs = epochMs(dispatch.deadlineAt)
  const counts = [dispatch.epoch, dispatch.deliveriesMax, dispatch.artifactBytesMax, dispatch.depth]
  if (Number.isNaN(deadlineMs) || !counts.every(Number.isSafeInteger) || typeof dispatch.kind !== 'string') {
    throw mismatch(offer, 'its text does not have the form of a dispatch')
  }
  return { dispatch, deadlineMs }
}

function mismatch({ runId, taskId, attempt }: Offer, why: string, cause?: unknown): RepriseError {
  return new RepriseError(
    'DISPATCH_MISMATCH',
    `Attempt ${attempt} of task ${JSON.stringify(taskId)} of run ${runId} arrived damaged: ${why}. ` +
      'It was not run and not answered; the coordinator offers the next attempt at its deadline.',
    { details: { runId, taskId, attempt }, cause },
  )
}
