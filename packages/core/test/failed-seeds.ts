/** Seeds that ever failed, by property, as `seed` or `seed;path`: replayed before anything new is tried. */
export const failedSeeds: Readonly<Record<string, readonly string[]>> = {}
