import { checkRunId, unknownRun, verifyRun } from '../coordinator/load-run.js'
import type { Adapter } from '../ports/adapter.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { RunSummaries } from '../ports/run-summaries.js'
import { RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { CheckedLog, type LogSummary } from './checked-log.js'
import { offerSummary } from './keep-summary.js'
import { LogCopy, linesOf, stopIfAborted } from './log-copy.js'
import { artifactsOf, type CopiedArtifacts, copyArtifact } from './run-artifacts.js'

export interface CopyOptions {
  /** Copies a run that has not ended, if no live coordinator holds it. Default: it is refused. */
  readonly open?: boolean
  /** Copies what accepted and received receipts name, before the log. Default: the log alone. */
  readonly artifacts?: boolean
  readonly signal?: AbortSignal | undefined
}

export interface CopyReport extends LogSummary {
  /** Commits that this call has appended; the others were there, and the same. */
  readonly appended: number
  /** `null`: they were not asked for. */
  readonly artifacts: CopiedArtifacts | null
}

/**
 * Copies the log of a run to another place, byte by byte: each commit is checked as it is read, and the whole copy is read
 * again and verified. Nothing of the original changes. Killed in the middle, the same call goes on. Of snapshots, inboxes
 * and queues nothing is copied: whoever opens the copy makes them anew. For lists a summary is put beside the copy.
 *
 * `RUN_OPEN` for a run that has not ended: opened in both places it would be two runs of one name. `RUN_HELD` if a
 * live coordinator holds it, or has gone on with it meanwhile. `RUN_MISMATCH` if the other place has another log of that
 * name, or this log is that of another run. `ARTIFACT_MISSING`, `NO_ARTIFACTS`; `RUN_UNKNOWN`, `LOG_CORRUPT`,
 * `LOG_TOO_NEW`, `ABORTED`.
 */
export async function copyRun(
  from: Adapter,
  to: Adapter,
  runId: RunId,
  options: CopyOptions = {},
): Promise<CopyReport> {
  const checked = new CheckedLog()
  for await (const line of linesOf(from.log, runId)) {
    stopIfAborted(options.signal, `Copying run ${runId}`)
    checked.next(line)
  }
  if (checked.chain.commits === 0) throw unknownRun(runId)
  const summary = checked.summary()
  checkRunId(summary.runId, runId)
  if (summary.open) await checkMayMove(from, runId, options.open === true)
  const artifacts = options.artifacts ? await copyArtifacts(from, to, runId, checked.state, options.signal) : null
  const appended = await putLog(linesOf(from.log, runId), to, summary, options.signal)
  await checkUnmoved(from.log, summary)
  return { ...summary, appended, artifacts }
}

/**
 * Puts lines that were read and checked once into a log, checks them again on their way, and verifies what is there then.
 * Beside that it offers a summary: of a run that has ended no coordinator would.
 */
export async function putLog(
  lines: AsyncIterable<string>,
  { log, summaries }: { readonly log: CommitLog; readonly summaries?: RunSummaries | undefined },
  { runId, commits, head }: LogSummary,
  signal: AbortSignal | undefined,
): Promise<number> {
  const copy = new LogCopy(log, runId)
  const checked = new CheckedLog()
  try {
    for await (const line of lines) {
      stopIfAborted(signal, `Writing the log of run ${runId}`)
      const { record } = checked.next(line)
      await copy.take(record)
      if (checked.chain.commits === commits) break
    }
    if (checked.chain.head !== head) throw changed(runId)
    await copy.end()
  } finally {
    await copy.close()
  }
  const verdict = await verifyRun(log, runId)
  if (verdict.ok && verdict.head === head) {
    await offerSummary(summaries, checked)
    return copy.appended
  }
  const message = verdict.ok ? 'it ends in another commit' : verdict.message
  throw new RepriseError('LOG_CORRUPT', `The copy of run ${runId} was read back, and is not the same: ${message}`, {
    details: { runId },
  })
}

const changed = (runId: RunId): RepriseError =>
  new RepriseError(
    'RUN_MISMATCH',
    `What run ${runId} is read from changed while it was read. Look at what stands under that name now, then call again once nobody writes to either.`,
    { details: { runId } },
  )

/** A run that has not ended. */
async function checkMayMove({ leases }: Adapter, runId: RunId, isAskedFor: boolean): Promise<void> {
  const name = `run/${runId}`
  for await (const held of leases.holders(name)) {
    if (held.name === name) throw runHeld(runId, `${held.holder.id} holds it`)
  }
  if (!isAskedFor) throw stillOpen(runId)
}

export const stillOpen = (runId: RunId): RepriseError =>
  new RepriseError(
    'RUN_OPEN',
    `Run ${runId} has not ended. Opened here and there it would be two runs of one name, each going on by itself. Complete or fail it first; or, if it will never be opened again at the one place, ask for it with open: true (reprise: --open).`,
    { details: { runId } },
  )

const runHeld = (runId: RunId, why: string): RepriseError =>
  new RepriseError('RUN_HELD', `Run ${runId} was not copied to its end: ${why}. Close it there, then call again.`, {
    details: { runId },
  })

/** What came since is not in the copy. */
async function checkUnmoved(log: CommitLog, { runId, head }: LogSummary): Promise<void> {
  const now = await log.head(runId)
  if (now?.hash !== head) throw runHeld(runId, 'somebody goes on with it')
}

async function copyArtifacts(
  from: Adapter,
  to: Adapter,
  runId: RunId,
  state: RunState,
  signal: AbortSignal | undefined,
): Promise<CopiedArtifacts> {
  let [artifacts, bytes, found] = [0, 0, 0]
  for await (const artifact of artifactsOf(from.log, runId, state)) {
    stopIfAborted(signal, `Copying the artifacts of run ${runId}`)
    if (await copyArtifact(storeOf(from, runId), storeOf(to, runId), artifact)) found++
    artifacts++
    bytes += artifact.bytes
  }
  return { artifacts, bytes, found }
}

function storeOf({ artifacts, name }: Adapter, runId: RunId) {
  if (artifacts !== undefined) return artifacts
  throw new RepriseError(
    'NO_ARTIFACTS',
    `Run ${runId} has artifacts, and the adapter "${name}" has no artifact store: name one for them, or copy the run without.`,
    { details: { runId, adapter: name } },
  )
}
