/** What every `Inbox` refuses, whatever carries its messages: the same codes in the same words. */
import { RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import { exceedsBytes } from '../protocol/json.js'
import { limits } from '../protocol/limits.js'
import type { InboxMessage } from './inbox.js'

/** What fifteen digits can say, and still an exact number. */
const seqMax = 1e15 - 1

/**
 * First thing in `send`, for all messages of the call: if one is refused, none is sent. `INVALID_INPUT` if `seq` does
 * not count from 1, `TOO_LARGE` if the body has more than `limits.messageBytesMax` bytes.
 */
export function checkMessages(runId: RunId, messages: readonly InboxMessage[]): void {
  for (const message of messages) {
    const { sender, seq, body } = message
    if (!Number.isSafeInteger(seq) || seq < 1 || seq > seqMax) {
      throw new RepriseError('INVALID_INPUT', `${nameOf(runId, message)} was not sent: seq counts from 1.`, {
        details: { runId, sender, seq },
      })
    }
    if (isBodyTooLarge(body)) {
      throw new RepriseError(
        'TOO_LARGE',
        `${nameOf(runId, message)} was not sent: it exceeds ${limits.messageBytesMax} bytes. Put large values into artifacts.`,
        { details: { runId, sender, seq, bytesMax: limits.messageBytesMax } },
      )
    }
  }
}

/** For what is read as well, where others than this library may have written it. */
export const isBodyTooLarge = (body: string): boolean => exceedsBytes(body, limits.messageBytesMax)

const nameOf = (runId: RunId, { sender, seq }: InboxMessage): string => `Message ${seq} of ${sender} to run ${runId}`
