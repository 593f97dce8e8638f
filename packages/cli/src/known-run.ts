import { isRepriseError, type RunId } from '@reprise/core'
import type { Context } from './command.js'
import { unknownRun } from './read-values.js'

/** What the library makes of a run; if it knows no such run, the failure that says where runs are looked for. */
export async function ofKnownRun<T>(
  { place }: Pick<Context, 'place'>,
  runId: RunId,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw isRepriseError(error, 'RUN_UNKNOWN') ? unknownRun(runId, place) : error
  }
}
