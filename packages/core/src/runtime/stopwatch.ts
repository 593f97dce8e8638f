/** Milliseconds by a clock that nobody sets, for measuring only: what it says means nothing outside this process. */
export const stopwatchMs = (): number => performance.now()
