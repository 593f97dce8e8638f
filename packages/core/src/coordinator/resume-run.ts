import { budgetEvidence, type OpenCommand } from '../flow/decide-lock.js'
import { ResumeLedger } from '../flow/resume-gates.js'
import type { Adapter } from '../ports/adapter.js'
import type { Lease } from '../ports/leases.js'
import type { Runtime } from '../ports/runtime.js'
import type { StateFileStore } from '../ports/state-file.js'
import { RepriseError } from '../protocol/errors.js'
import { type Holder, type Mode, resumeGates } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import { limits } from '../protocol/limits.js'
import { isoTime } from '../protocol/time.js'
import { integrityEvidence, type LoadedRun } from './load-run.js'
import type { OutputSchema } from './output-schema.js'
import { Run } from './run.js'
import { RunCore } from './run-core.js'

export interface ResumeOptions {
  readonly adapter: Adapter
  readonly runtime: Runtime
  readonly runId: RunId
  readonly holder: Holder
  readonly loaded: LoadedRun
  /** `null`: the run has ended and is only looked at. */
  readonly lease: Lease | null
  /** What to open the run with; `null`: it is open already. */
  readonly opening: Omit<OpenCommand, 'type' | 'holder'> | null
  readonly tasks: readonly OutputSchema[]
  readonly expectMode: Mode | null
  readonly timeoutMs: number
  readonly appendPatienceMs: number
  readonly stateFile: StateFileStore | null
  readonly snapshotEveryEvents: number
  readonly signal: AbortSignal | undefined
}

/**
 * The resume sequence: gates in their order, each with its evidence, all of them in the log before anything is
 * dispatched. A gate that fails stops it; the error names the gate.
 */
export async function resumeRun(options: ResumeOptions): Promise<Run> {
  const { adapter, runtime, runId, holder, loaded, lease, opening } = options
  const { state } = loaded
  const ledger = new ResumeLedger()
  const corrections: string[] = []
  // What the log said before we touched it.
  const found = { mode: state.mode, status: state.status, version: state.version, hash: loaded.head, lock: state.lock }
  ledger.pass('log-integrity', integrityEvidence(loaded))
  if (loaded.basis.dropped !== null) {
    corrections.push(`snapshot: left aside, since ${loaded.basis.dropped}; the whole log was read`)
  }
  ledger.pass('upcast', 'every event has a type and version that this library knows')

  const schemas = new Map(options.tasks.map((task) => [task.kind, task]))
  const core = new RunCore({
    ...{ adapter, runId, runtime, loaded, lease },
    actor: holder.id,
    appendPatienceMs: options.appendPatienceMs,
    stateFile: options.stateFile,
    snapshotEveryEvents: options.snapshotEveryEvents,
    outputProblem: (kind, output) => schemas.get(kind)?.outputIssues(output) ?? null,
  })
  if (lease === null) {
    core.feed.close(null)
    // It may have ended just before the last write.
    await core.stateFile?.repair(found)
    return new Run(core, ledger.results)
  }
  core.hold()
  try {
    const reason = lease.takenFrom?.reason ?? 'free'
    const before = lease.takenFrom === undefined ? 'nobody held it' : `taken from ${lease.takenFrom.holder.id}`
    ledger.pass('lease', `${lease.name}: ${before}${lease.takenFrom === undefined ? '' : ` (${reason})`}`)

    const lock = await core.pipeline.submit(
      opening === null ? { type: 'take-over', holder, reason } : { type: 'open', ...opening, holder },
    )
    if (!lock.ok) throw new RepriseError(lock.refusal.code, lock.refusal.message)
    ledger.pass(
      'lock',
      `epoch ${core.pipeline.status.epoch} in the log${found.lock === null ? '' : `, after ${found.lock.holder.id}`}`,
    )

    if (options.expectMode !== null && options.expectMode !== found.mode) {
      corrections.push(`mode: the caller expected ${options.expectMode}, the log says ${found.mode}; the log is right`)
    }
    ledger.pass('mode', opening === null ? `the log says ${found.mode}` : 'a new run')
    ledger.pass('status', opening === null ? `the log says ${found.status}` : 'a new run')

    const { counts } = core.pipeline.state
    const now = isoTime(runtime.now())
    const overdue = [...state.tasks.values()].filter(
      (task) => task.phase === 'out' && (task.deadlineAt ?? now) < now,
    ).length
    ledger.pass(
      'outstanding',
      `${counts.out} attempts out, ${overdue} of them overdue; ${counts.planned} tasks planned`,
    )

    await within(core.receivePending(), options, core, 'Nothing was dispatched.')
    const { received } = core.pipeline.state.counts
    ledger.pass('receipts-pending', `${core.pendingReceipts} receipts had arrived; ${received} wait for a decision`)

    const nowMs = runtime.now()
    ledger.pass('budget', budgetEvidence(core.pipeline.state, { nowMs, now: isoTime(nowMs), holderId: holder.id }))
    ledger.pass('state-file', await checkStateFile(core, found, corrections))

    const gates = ledger.results
    const redelivered = core.pipeline.state.counts.out
    const finished = await core.pipeline.submit({ type: 'finish-resume', gates, corrections, redelivered })
    if (!finished.ok) throw new RepriseError(finished.refusal.code, finished.refusal.message)
    const run = new Run(core, gates)
    core.begin()
    await within(core.inboxCaughtUp, options, core, 'What was out has been offered again.')
    closeOnAbort(run, options.signal)
    return run
  } catch (error) {
    await recordFailure(core, ledger, error as Error)
    core.pipeline.stop(
      error instanceof RepriseError ? error : new RepriseError('GATE_FAILED', String(error), { cause: error }),
    )
    await core.close('a resume gate failed')
    throw error
  }
}

async function checkStateFile(
  { stateFile }: RunCore,
  found: { readonly version: number; readonly hash: string },
  corrections: string[],
): Promise<string> {
  if (stateFile === null) return 'no state file is kept'
  const drift = await stateFile.repair(found)
  if (drift === null) return `${stateFile.path} is that of the log`
  corrections.push(`state file: ${drift.text}`.slice(0, limits.textMax))
  return drift.text.slice(0, limits.textMax)
}

/** Puts the gate that did not pass into the log, if we hold the lock. */
async function recordFailure(core: RunCore, ledger: ResumeLedger, error: Error): Promise<void> {
  const gate = resumeGates[ledger.results.length]
  if (gate === undefined || resumeGates.indexOf(gate) <= resumeGates.indexOf('lock')) return
  ledger.fail(gate, error.message.slice(0, limits.textMax))
  const failed = { type: 'finish-resume' as const, gates: ledger.results, corrections: [], redelivered: 0 }
  // What failed may be the log itself; the caller is told in any case.
  await core.pipeline.submit(failed).catch(() => {})
}

function closeOnAbort(run: Run, signal: AbortSignal | undefined): void {
  if (signal === undefined || run.signal.aborted) return
  const close = () => void run.close()
  if (signal.aborted) close()
  else signal.addEventListener('abort', close, { once: true })
  run.signal.addEventListener('abort', () => signal.removeEventListener('abort', close), { once: true })
}

async function within<T>(promise: Promise<T>, options: ResumeOptions, core: RunCore, soFar: string): Promise<T> {
  const { runId } = core
  const { runtime, timeoutMs, signal } = options
  const done = new AbortController()
  const over = signal === undefined ? done.signal : AbortSignal.any([done.signal, signal])
  try {
    return await Promise.race([
      promise,
      runtime.sleep(timeoutMs, over).then((): never => {
        if (signal?.aborted) throw new RepriseError('ABORTED', `Opening run ${runId} was aborted. ${soFar}`)
        const cause = core.intakeFailure
        const why = cause === undefined ? '' : `, the last failure being: ${(cause as Error)?.message ?? cause}`
        throw new RepriseError(
          'GATE_FAILED',
          `Resume gate receipts-pending of run ${runId} did not pass within ${timeoutMs} ms: the inbox was not read to its end${why}. ${soFar} Look at the transport, then open the run again.`,
          { details: { runId, gate: 'receipts-pending' }, cause },
        )
      }),
    ])
  } finally {
    done.abort()
  }
}
