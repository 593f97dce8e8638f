import { isRepriseError } from '@reprise/core/adapter'
import { vi } from 'vitest'

/** How long a test waits for what must come: it only says when to give up, never what is fast enough. Milliseconds. */
export const waitMs = 60_000
/** The `commandTimeoutMs` of adapters in tests that are about something else than deadlines. */
export const patientMs = 30_000

/** Lets the tests of a file, and their hooks, take as long as a slow machine needs for several waits. */
export function allowSlowTests(): void {
  vi.setConfig({ testTimeout: 5 * waitMs, hookTimeout: 2 * waitMs })
}

/**
 * The result of `call`, made again while the server does not answer in time. For steps that no fault disturbs, of
 * adapters whose deadline is short for the sake of a later fault: a slow machine may miss it without any.
 */
export async function untilAnswered<T>(call: () => Promise<T>): Promise<T> {
  for (const until = Date.now() + waitMs; ; ) {
    try {
      return await call()
    } catch (error) {
      if (!isRepriseError(error, 'ADAPTER_UNAVAILABLE') || Date.now() > until) throw error
    }
  }
}
