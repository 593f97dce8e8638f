import type { Runtime } from '../ports/runtime.js'
import { RepriseError } from '../protocol/errors.js'

/** How long a call to the adapter may take whose loss costs nothing but another call. Milliseconds. */
const answerMs = 30_000

/**
 * Settles as `call` does, or rejects with `ADAPTER_UNAVAILABLE` after 30 s (and what the work takes besides) without
 * an answer: a loop that waited for ever would never call again. The call itself may still take effect later, so it
 * must be harmless twice.
 */
export async function answered<T>(call: Promise<T>, what: string, runtime: Runtime, workMs = 0): Promise<T> {
  const done = new AbortController()
  let isAnswered = false
  const silence = runtime.sleep(answerMs + workMs, done.signal).then((): never => {
    // Most calls are answered: an error that nobody sees would cost more than all of this.
    if (isAnswered) return undefined as never
    throw new RepriseError(
      'ADAPTER_UNAVAILABLE',
      `${what} had no answer for ${answerMs + workMs} ms. Whether it took effect is not known; it is safe to call it again.`,
    )
  })
  try {
    return await Promise.race([call, silence])
  } finally {
    isAnswered = true
    done.abort(answeredReason)
  }
}

/** Without a reason of its own, `abort` makes an error with a stack each time. */
const answeredReason = 'answered'
