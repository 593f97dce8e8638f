import { vi } from 'vitest'

/**
 * The `commandTimeoutMs` of adapters in tests: no machine is so slow that it misses this. A test about deadlines begins
 * with it as well, and has what the fault meets begun in `withDeadline`. A value that nobody else gives a timer.
 */
export const patientMs = 100_000
/** No command blocks for longer. Milliseconds. */
const blockMsMax = 10_000

/**
 * Runs `work`, during which every timer for a deadline of `patientMs`, and the time of a blocking command on top, gets
 * `deadlineMs` for it: as if the adapter had been opened with that. What is begun before and after keeps its time.
 */
export async function withDeadline<T>(deadlineMs: number, work: () => Promise<T>): Promise<T> {
  const shorter = (ms = 0): number =>
    ms >= patientMs && ms <= patientMs + blockMsMax ? ms - patientMs + deadlineMs : ms
  const { setTimeout, setInterval } = globalThis
  const timeouts = vi
    .spyOn(globalThis, 'setTimeout')
    .mockImplementation(((run: () => void, ms?: number, ...args: []) =>
      setTimeout(run, shorter(ms), ...args)) as typeof setTimeout)
  const intervals = vi
    .spyOn(globalThis, 'setInterval')
    .mockImplementation(((run: () => void, ms?: number, ...args: []) =>
      setInterval(run, shorter(ms), ...args)) as typeof setInterval)
  try {
    return await work()
  } finally {
    timeouts.mockRestore()
    intervals.mockRestore()
  }
}
