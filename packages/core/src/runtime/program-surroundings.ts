/** This process's environment without what is named `REPRISE_…`: addresses with passwords, tokens, and what belongs to another task. */
export const inheritedEnvironment = (): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('REPRISE_')))

/** A time that runs, beside a signal. */
export interface LimitedSignal {
  readonly signal: AbortSignal
  /** Whether it was the time that came first. */
  passed(): boolean
  release(): void
}

/** A signal that aborts with another one, and by itself after a time. */
export function signalIn(ms: number | undefined, other: AbortSignal): LimitedSignal {
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(other.reason)
  if (other.aborted) onAbort()
  else other.addEventListener('abort', onAbort, { once: true })
  let isPassed = false
  const pass = (): void => {
    isPassed = !controller.signal.aborted
    controller.abort(new Error(`the time of ${ms} ms is over`))
  }
  const timer = ms === undefined ? undefined : setTimeout(pass, ms)
  return {
    signal: controller.signal,
    passed: () => isPassed,
    release: () => {
      clearTimeout(timer)
      other.removeEventListener('abort', onAbort)
    },
  }
}
