import { issueToken } from '../coordinator/context-token.js'
import { loadRun } from '../coordinator/load-run.js'
import { checkSameRun, type OpenRunOptions, openRun, parseOpenOptions } from '../coordinator/open-run.js'
import type { Run } from '../coordinator/run.js'
import { type RunStatus, statusOf } from '../coordinator/run-status.js'
import { isRepriseError } from '../protocol/errors.js'
import { systemRuntime } from '../runtime/system-runtime.js'

/** A run that is there now. */
export interface OpenedOnce {
  /** `false`: it was there already, for the same goal. Then nothing was changed. */
  readonly isNew: boolean
  readonly status: RunStatus
  /** For who knows what the run is for, and that nothing of it has been done. `null` if it was there already. */
  readonly token: string | null
}

/** Of the coordinator that opened the run: its `lock-acquired` is the second event. */
const openedEpoch = 2
/** Somebody else opens it at the same moment: between two looks at its log, and how many. Milliseconds. */
const lookMs = 50
const looksMax = 200

/**
 * Opens a run and lets it go again, for others to act on. If it is there already, only compares: whoever holds it is not
 * disturbed. `RUN_MISMATCH` if it was opened with another goal, criteria or policy; else as `openRun`.
 */
export async function openOnce(options: OpenRunOptions): Promise<OpenedOnce> {
  const parsed = parseOpenOptions(options)
  const { adapter, runtime = systemRuntime, signal } = options
  for (let looks = 1; ; looks++) {
    const { state } = await loadRun(adapter.log, parsed.runId, { snapshots: adapter.snapshots })
    if (state.version > 0) {
      checkSameRun(parsed, options.policy, state)
      return { isNew: false, status: statusOf(state), token: null }
    }
    try {
      return await letGo(await openRun(options), options)
    } catch (error) {
      if (!isRepriseError(error, 'RUN_HELD') || looks === looksMax) throw error
      await runtime.sleep(lookMs, signal)
    }
  }
}

async function letGo(run: Run, { adapter: { log, snapshots } }: OpenRunOptions): Promise<OpenedOnce> {
  await run.close()
  const { status } = run
  if (status.epoch !== openedEpoch) return { isNew: false, status, token: null }
  const { first } = await loadRun(log, run.id, { snapshots })
  return { isNew: true, status, token: first === null ? null : issueToken(run.id, status, first) }
}
