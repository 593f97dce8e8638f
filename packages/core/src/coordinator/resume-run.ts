import type { OpenCommand } from '../flow/decide-lock.js'
import { checkBudget, checkMode, checkOutstanding, checkStatus, type GateFinding } from '../flow/resume-checks.js'
import { ResumeLedger } from '../flow/resume-gates.js'
import type { Adapter } from '../ports/adapter.js'
import type { Lease } from '../ports/leases.js'
import type { Runtime } from '../ports/runtime.js'
import type { StateFileStore } from '../ports/state-file.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import { type Holder, type Mode, type ResumeGate, resumeGates } from '../protocol/events.js'
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
  const found = { version: state.version, hash: loaded.head, lock: state.lock }
  const [mode, status] = [checkMode(state, options.expectMode), checkStatus(state)]
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
    if (mode.problem !== null) throw contradiction(runId, 'mode', mode.problem)
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

    const check = (gate: ResumeGate, { problem, evidence, corrections: wrong }: GateFinding): void => {
      if (problem !== null) throw contradiction(runId, gate, problem)
      corrections.push(...wrong)
      ledger.pass(gate, evidence)
    }
    check('mode', mode)
    check('status', status)
    check('outstanding', checkOutstanding(core.pipeline.state, isoTime(runtime.now())))

    await within(core.receivePending(), options, core, 'receipts-pending')
    const { received } = core.pipeline.state.counts
    ledger.pass('receipts-pending', `${core.pendingReceipts} receipts had arrived; ${received} wait for a decision`)

    const nowMs = runtime.now()
    check('budget', checkBudget(core.pipeline.state, { nowMs, now: isoTime(nowMs), holderId: holder.id }))
    ledger.pass('state-file', await checkStateFile(core, found, corrections))

    const gates = ledger.results
    const redelivered = core.pipeline.state.counts.out
    const finished = await core.pipeline.submit({ type: 'finish-resume', gates, corrections, redelivered })
    if (!finished.ok) throw new RepriseError(finished.refusal.code, finished.refusal.message)
    const run = new Run(core, gates)
    core.begin()
    await within(core.inboxCaughtUp, options, core, null)
    closeOnAbort(run, options.signal)
    return run
  } catch (error) {
    const failure = naming(error, runId, ledger)
    await recordFailure(core, ledger, failure)
    core.pipeline.stop(failure)
    await core.close('a resume gate failed')
    throw failure
  }
}

/** The gates that could not be passed because the log says what no decision leads to. */
const contradiction = (runId: RunId, gate: ResumeGate, problem: string): RepriseError =>
  new RepriseError(
    'GATE_FAILED',
    `Resume gate ${gate} of run ${runId} did not pass: ${problem}. Nothing was decided on it, nothing was dispatched. No version of this library should have written such a log: keep a copy of it, report it, and open a new run for what is left to do.`,
    { details: { runId, gate } },
  )

/** The error with the gate that it kept from passing, if there was one left to pass. */
function naming(error: unknown, runId: RunId, ledger: ResumeLedger): RepriseError {
  const gate = resumeGates[ledger.results.length]
  if (!isRepriseError(error)) {
    const message = `Resuming run ${runId}${gate === undefined ? '' : ` at gate ${gate}`} failed unexpectedly: ${(error as Error)?.message ?? error}. Open the run again; if that fails too, report it with the log of the run.`
    return new RepriseError('GATE_FAILED', message, { cause: error, details: { runId, ...(gate && { gate }) } })
  }
  if (gate === undefined || 'gate' in error.details) return error
  return new RepriseError(error.code, error.message, { cause: error.cause, details: { ...error.details, gate } })
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

/** `gate`: which of them waits; `null`: all have passed, and what else came meanwhile is being decided. */
async function within<T>(
  promise: Promise<T>,
  options: ResumeOptions,
  core: RunCore,
  gate: ResumeGate | null,
): Promise<T> {
  const { runtime, timeoutMs, signal } = options
  const done = new AbortController()
  const over = signal === undefined ? done.signal : AbortSignal.any([done.signal, signal])
  try {
    return await Promise.race([
      promise,
      runtime.sleep(timeoutMs, over).then((): never => {
        throw notRead(core, gate, signal?.aborted ? null : timeoutMs)
      }),
    ])
  } finally {
    done.abort()
  }
}

/** `afterMs`: `null` if the opening was aborted. */
function notRead({ runId, intakeFailure: cause }: RunCore, gate: ResumeGate | null, afterMs: number | null) {
  const soFar = gate === null ? 'What was out has been offered again.' : 'Nothing was dispatched.'
  if (afterMs === null) return new RepriseError('ABORTED', `Opening run ${runId} was aborted. ${soFar}`)
  const what =
    gate === null
      ? `All resume gates of run ${runId} have passed, but its inbox was not read to its end within ${afterMs} ms`
      : `Resume gate ${gate} of run ${runId} did not pass within ${afterMs} ms: the inbox was not read to its end`
  const why = cause === undefined ? '' : `, the last failure being: ${(cause as Error)?.message ?? cause}`
  return new RepriseError(
    gate === null ? 'TIMEOUT' : 'GATE_FAILED',
    `${what}${why}. ${soFar} Look at the transport, then open the run again.`,
    { details: { runId, ...(gate !== null && { gate }) }, cause },
  )
}
