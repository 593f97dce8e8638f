import { z } from 'zod'
import { genesisHash } from '../log/commit-record.js'
import type { Adapter } from '../ports/adapter.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { Lease } from '../ports/leases.js'
import type { Runtime } from '../ports/runtime.js'
import type { StateFileStore } from '../ports/state-file.js'
import { type ErrorCode, isRepriseError, RepriseError } from '../protocol/errors.js'
import { type Mode, modes, type ResumeGate } from '../protocol/events.js'
import { type RunId, runIdSchema } from '../protocol/ids.js'
import { canonicalJson, exceedsJsonBytes } from '../protocol/json.js'
import { limits } from '../protocol/limits.js'
import { type Policy, type PolicyInput, policySchema } from '../protocol/policy.js'
import type { RunState } from '../protocol/state.js'
import { stateFileAt } from '../runtime/state-file-at.js'
import { systemRuntime } from '../runtime/system-runtime.js'
import { type LoadedRun, type LoadOptions, loadRun } from './load-run.js'
import type { OutputSchema } from './output-schema.js'
import { resumeRun } from './resume-run.js'
import type { Run } from './run.js'
import { takeLease } from './take-lease.js'

export interface OpenRunOptions {
  readonly adapter: Adapter
  readonly runId: string
  /** Needed the first time; later it may be left out, and must be the same if it is given. So with the next two. */
  readonly goal?: string
  readonly successCriteria?: readonly string[]
  readonly policy?: PolicyInput
  /** Kinds of tasks whose outputs the `output-schema` gate checks. */
  readonly tasks?: readonly OutputSchema[]
  /** `when-dead` (default): only if the holder's process is known to be gone or its lease ran out. `now`: anyway. */
  readonly takeover?: 'when-dead' | 'now'
  /** How long to wait for a live holder to let go. Milliseconds, default 0. */
  readonly waitForMs?: number
  /** The mode that the caller believes the run to be in; a difference is corrected, on record, unless the run has ended. */
  readonly expectMode?: Mode
  /** Bounds the resume gates (`GATE_FAILED`), and then the rest of the inbox (`TIMEOUT`). Milliseconds, default 60,000. */
  readonly resumeTimeoutMs?: number
  /**
   * How long a commit that the adapter cannot take is tried again, so that a server may restart or a disk be freed.
   * After it the coordinator stops with `ADAPTER_UNAVAILABLE`. Milliseconds, default 60,000.
   */
  readonly appendPatienceMs?: number
  /**
   * A Markdown file that says where the run stands, for people and for programs without a log: written after commits that
   * change it, repaired when it differs. A path, or `true` for `docs/<run id>-state.md`. Default: none is kept.
   */
  readonly stateFile?: boolean | string | StateFileStore
  /**
   * `whole`: every commit is read and checked, however many there are. `newest` (default): a snapshot may stand for the
   * older ones, see `snapshotEveryEvents`.
   */
  readonly replay?: 'newest' | 'whole'
  /**
   * After how many events a snapshot is kept, in the background, if the adapter keeps any: an opening reads what is behind
   * the last one that was kept. One is also kept when the run is closed, if there are 2,000 events, or so many, behind the
   * one before. 0: none. Default 50,000.
   */
  readonly snapshotEveryEvents?: number
  /** Closes the run when it aborts; before it is open, `openRun` rejects with `ABORTED`. */
  readonly signal?: AbortSignal
  readonly runtime?: Runtime
}

const parts = ['log', 'leases', 'queue', 'inbox'] as const

const optionsSchema = z.strictObject({
  adapter: z.custom<Adapter>(
    (value) => typeof value === 'object' && value !== null && parts.every((part) => part in value),
    'pass an open adapter, such as openFiles returns',
  ),
  runId: runIdSchema,
  goal: z.string().min(1).max(limits.textMax).optional(),
  successCriteria: z.array(z.string().min(1).max(limits.textMax)).max(limits.criteriaMax).optional(),
  policy: policySchema.optional(),
  takeover: z.enum(['when-dead', 'now']).default('when-dead'),
  waitForMs: z.number().min(0).default(0),
  expectMode: z.enum(modes).optional(),
  resumeTimeoutMs: z.number().min(1).default(60_000),
  appendPatienceMs: z.number().min(0).default(60_000),
  stateFile: z
    .union([
      z.boolean(),
      z.string().min(1),
      z.custom<StateFileStore>(
        (value) => typeof value === 'object' && typeof (value as StateFileStore | null)?.replace === 'function',
        'pass true, a path, or what stateFileAt returns',
      ),
    ])
    .default(false),
  replay: z.enum(['newest', 'whole']).default('newest'),
  snapshotEveryEvents: z.number().int().min(0).default(50_000),
  tasks: z
    .array(
      z.custom<OutputSchema>(
        (value) => typeof (value as OutputSchema | null)?.outputIssues === 'function',
        'pass what defineTask returns',
      ),
    )
    .default([]),
  signal: z.instanceof(AbortSignal, { error: 'pass an AbortSignal' }).optional(),
  runtime: z
    .custom<Runtime>((value) => typeof (value as Runtime | null)?.now === 'function', 'pass a Runtime')
    .optional(),
})
type Parsed = z.output<typeof optionsSchema>

/** What opening has to give back what it holds once its signal has aborted. Milliseconds. */
const abortGraceMs = 15_000
/** Zombies that append while we take over make us start again, this often. */
const takeoverTriesMax = 5

/** The resume gate that an error before the first recorded gate stands for. */
const gateOfCode: Partial<Record<ErrorCode, ResumeGate>> = {
  LOG_CORRUPT: 'log-integrity',
  LOG_TOO_NEW: 'upcast',
  RUN_HELD: 'lease',
  LOCK_LOST: 'lock',
}

/**
 * Opens a run, or takes it up again: there is one path for both. When this resolves, every resume gate has passed,
 * what arrived meanwhile is recorded, and what must be out has been offered. A run that has ended is opened without
 * holding it. `RUN_HELD`: a live coordinator holds it. `details.gate` names the gate that did not pass, if it was one.
 */
export async function openRun(options: OpenRunOptions): Promise<Run> {
  const parsed = parseOpenOptions(options)
  try {
    return await unlessAborted(open(options, parsed), options)
  } catch (error) {
    throw namingGate(error)
  }
}

/**
 * Opening looks at the signal between its calls and gives back what it holds. A port that does not answer at all must not
 * keep who wants to leave: what opens later all the same is let go.
 */
async function unlessAborted(opening: Promise<Run>, { signal, runId, runtime = systemRuntime }: OpenRunOptions) {
  if (signal === undefined) return opening
  const done = new AbortController()
  const silence = new Promise<null>((resolve) => {
    const onAbort = () => void runtime.sleep(abortGraceMs, done.signal).then(() => resolve(null))
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true, signal: done.signal })
  })
  try {
    const run = await Promise.race([opening, silence])
    if (run !== null) return run
  } finally {
    done.abort()
  }
  opening.then((run) => run.close()).catch(() => {})
  throw new RepriseError(
    'ABORTED',
    `Opening run ${runId} was aborted, and a call of its adapter has not ended for ${abortGraceMs} ms since. Open it again to go on.`,
    { details: { runId } },
  )
}

async function open(options: OpenRunOptions, parsed: Parsed): Promise<Run> {
  const runtime = options.runtime ?? systemRuntime
  const { adapter } = options
  const holder = {
    id: `coordinator:${runtime.host}:${runtime.pid}:${runtime.randomId()}`,
    host: runtime.host,
    pid: runtime.pid,
  }
  const resume = (loaded: LoadedRun, lease: Lease | null) =>
    resumeRun({
      ...{ adapter, runtime, holder, loaded, lease, runId: parsed.runId },
      opening: openingOf(parsed, loaded.state),
      tasks: parsed.tasks,
      expectMode: parsed.expectMode ?? null,
      timeoutMs: parsed.resumeTimeoutMs,
      appendPatienceMs: parsed.appendPatienceMs,
      stateFile: storeOf(parsed),
      snapshotEveryEvents: parsed.snapshotEveryEvents,
      signal: options.signal,
    })
  const snapshots = parsed.replay === 'whole' ? undefined : adapter.snapshots
  const heldUntil = runtime.now() + parsed.waitForMs
  for (let tries = 1; ; tries++) {
    const seen = await loadRun(adapter.log, parsed.runId, { snapshots })
    checkSameRun(parsed, options.policy, seen.state)
    if (seen.state.mode === 'closed') return resume(seen, null)
    const lease = await takeLease({
      ...{ adapter, runtime, holder, heldUntil, runId: parsed.runId, signal: options.signal },
      ttlMs: (seen.state.policy ?? parsed.policy ?? policySchema.parse({})).leaseTtlMs,
      force: parsed.takeover === 'now',
    })
    try {
      // Whoever held the lease before may have written until the end.
      const loaded = await reloadIfBehind(adapter.log, parsed.runId, seen, { snapshots })
      checkSameRun(parsed, options.policy, loaded.state)
      if (loaded.state.mode !== 'closed') return await resume(loaded, lease)
      await adapter.leases.release(lease)
      return await resume(loaded, null)
    } catch (error) {
      await adapter.leases.release(lease).catch(() => {})
      if (!isRepriseError(error, 'LOCK_LOST') || tries === takeoverTriesMax) throw error
    }
  }
}

function storeOf({ stateFile, runId }: Parsed): StateFileStore | null {
  if (typeof stateFile === 'object') return stateFile
  if (stateFile === false) return null
  return stateFileAt(stateFile === true ? `docs/${runId}-state.md` : stateFile)
}

function namingGate(error: unknown): unknown {
  const gate = isRepriseError(error) ? gateOfCode[error.code] : undefined
  if (!isRepriseError(error) || gate === undefined || 'gate' in error.details) return error
  return new RepriseError(error.code, error.message, { cause: error.cause, details: { ...error.details, gate } })
}

async function reloadIfBehind(log: CommitLog, runId: RunId, seen: LoadedRun, options: LoadOptions): Promise<LoadedRun> {
  const head = await log.head(runId)
  return (head?.hash ?? genesisHash) === seen.head ? seen : loadRun(log, runId, options)
}

export function parseOpenOptions(options: OpenRunOptions): Parsed {
  const parsed = optionsSchema.safeParse(options)
  if (parsed.success) {
    const { runId, goal, successCriteria } = parsed.data
    if (!exceedsJsonBytes({ goal, successCriteria }, limits.openingBytesMax)) return parsed.data
    throw new RepriseError(
      'TOO_LARGE',
      `The goal and success criteria of run ${runId} exceed ${limits.openingBytesMax} bytes as JSON. Put long texts into files and name these. Nothing was opened.`,
      { details: { runId } },
    )
  }
  const [issue] = parsed.error.issues
  const code = issue?.path[0] === 'runId' ? 'INVALID_ID' : 'INVALID_INPUT'
  throw new RepriseError(
    code,
    `openRun was given an invalid ${issue?.path.join('.') || 'argument'}: ${issue?.message}. Nothing was opened.`,
    { details: { path: issue?.path.map(String) } },
  )
}

function openingOf(parsed: Parsed, state: RunState) {
  if (state.version > 0) return null
  if (parsed.goal === undefined) {
    throw new RepriseError(
      'RUN_UNKNOWN',
      `There is no run ${parsed.runId} yet, and no goal to open it with. Pass a goal, or check the run id and where the adapter points.`,
      { details: { runId: parsed.runId } },
    )
  }
  return {
    runId: parsed.runId,
    goal: parsed.goal,
    successCriteria: parsed.successCriteria ?? [],
    policy: parsed.policy ?? policySchema.parse({}),
  }
}

/** The log says what a run is for; a caller who believes otherwise is told, before anything is touched. */
export function checkSameRun(parsed: Parsed, policy: PolicyInput | undefined, state: RunState): void {
  if (state.version === 0) return
  const differences: string[] = []
  if (parsed.goal !== undefined && parsed.goal !== state.goal) differences.push('goal')
  if (parsed.successCriteria && canonicalJson(parsed.successCriteria) !== canonicalJson(state.successCriteria)) {
    differences.push('successCriteria')
  }
  for (const key of Object.keys(policy ?? {}) as (keyof Policy)[]) {
    if (canonicalJson(parsed.policy?.[key]) !== canonicalJson(state.policy?.[key])) differences.push(`policy.${key}`)
  }
  if (differences.length === 0) return
  throw new RepriseError(
    'RUN_MISMATCH',
    `Run ${parsed.runId} was opened with another ${differences.join(', ')}; the log keeps what it was opened with. Leave these out to go on with the run, or choose another run id.`,
    { details: { runId: parsed.runId, differences } },
  )
}
