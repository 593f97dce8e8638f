/**
 * Resolves when everything that is ready now has run: promise reactions and `process.nextTick` callbacks, and
 * what they make ready in turn. For the simulated clock, which must not move while there is work to do, and for long work
 * that waits for nothing.
 */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
