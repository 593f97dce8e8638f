import fc from 'fast-check'
import { failedSeeds } from './failed-seeds.js'

/** Plans per property by default: a few seconds each. */
const runsDefault = 40

/**
 * Checks a property for random values. `REPRISE_SEED` replays one failure, `REPRISE_RUNS` asks for more runs; a
 * failure prints the command that replays it. Seeds in `failed-seeds.ts` are replayed first, always.
 */
export async function checkProperty<T>(
  name: string,
  file: string,
  arbitrary: fc.Arbitrary<T>,
  holds: (value: T) => Promise<void>,
): Promise<void> {
  const property = fc.asyncProperty(arbitrary, holds)
  const asked = process.env.REPRISE_SEED
  const numRuns = Number(process.env.REPRISE_RUNS ?? runsDefault)
  const replays = asked === undefined ? (failedSeeds[name] ?? []) : [asked]
  for (const replay of replays) await run(name, file, property, { ...parse(replay), numRuns })
  if (asked === undefined) await run(name, file, property, { numRuns })
}

async function run<T>(name: string, file: string, property: fc.IAsyncProperty<[T]>, parameters: fc.Parameters<[T]>) {
  const result = await fc.check(property, parameters)
  if (!result.failed) return
  const replay = `${result.seed}${result.counterexamplePath === null ? '' : `;${result.counterexamplePath}`}`
  const cause = result.errorInstance as Error | null
  throw new Error(
    `${name}: ${cause?.message ?? 'interrupted'}\n` +
      `Rerun: REPRISE_SEED='${replay}' npx vitest run ${file} -t '${name}'\n` +
      `Then keep '${replay}' in failed-seeds.ts. Plan: ${JSON.stringify(result.counterexample)}`,
    { cause },
  )
}

/** `seed` or `seed;path`, as printed. */
function parse(replay: string): { seed: number; path?: string; endOnFailure: boolean } {
  const [seed, path] = replay.split(';')
  return { seed: Number(seed), ...(path && { path }), endOnFailure: path !== undefined }
}
