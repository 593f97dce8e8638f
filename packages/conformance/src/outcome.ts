import { isRepriseError } from '@reprise/core/adapter'

/** The code with which `call` fails, or `'ok'`. Anything but a `RepriseError` fails the test as it is. */
export async function codeOf(call: () => Promise<unknown>): Promise<string> {
  try {
    await call()
    return 'ok'
  } catch (error) {
    if (isRepriseError(error)) return error.code
    throw error
  }
}

/** The code of the error with which a signal aborted, or `'not-aborted'`. */
export function reasonCode(signal: AbortSignal | undefined): string {
  if (signal?.aborted !== true) return 'not-aborted'
  return isRepriseError(signal.reason) ? signal.reason.code : String(signal.reason)
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
