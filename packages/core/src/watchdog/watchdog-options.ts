import { z } from 'zod'
import type { Adapter } from '../ports/adapter.js'
import type { Runtime } from '../ports/runtime.js'
import { RepriseError } from '../protocol/errors.js'
import { laneSchema, runIdSchema } from '../protocol/ids.js'
import { describeIssues } from '../worker/describe-issues.js'
import type { Incident } from './incident.js'

/** What a notification knows besides the incident. */
export interface IncidentNotice {
  /** 1, 2, … : earlier ones failed, or their watchdog died before it was known that they had succeeded. */
  readonly attempt: number
  /** Aborts when the notification has taken too long, the incident is over, or the watchdog is closed. */
  readonly signal: AbortSignal
}

export interface WatchdogOptions {
  readonly adapter: Adapter
  /** Which runs: their ids, or how they begin. Default: all that the adapter has. */
  readonly runs?: readonly string[] | { readonly prefix: string }
  /** The run in which incidents are kept, and its lane. Watchdogs with the same one share the work. Default `watchdog`. */
  readonly watchdogId?: string
  /**
   * Tells one incident; resolving says that it was told. Pass this or `command`. After a rejection it is called again,
   * after 1 s at first, a minute at last. A crash at the end of a call may have it called again for an incident that was
   * told: `incident.key` is the same then.
   */
  readonly onIncident?: (incident: Incident, notice: IncidentNotice) => unknown
  /**
   * A program, and its arguments, that tells one incident: it gets it as JSON on standard input and in `REPRISE_INCIDENT`.
   * Exit code 0 says that it was told. No shell reads this.
   */
  readonly command?: readonly string[]
  /** Between two looks. Milliseconds, default 10,000. */
  readonly intervalMs?: number
  /** An attempt without a sign for so long is stalled. Longer than `claimTtlMs` of the workers. Milliseconds, default 300,000. */
  readonly stalledAfterMs?: number
  /** What one notification may take. Milliseconds, default 60,000. */
  readonly notifyTimeoutMs?: number
  /** Runs that one look takes in; the others come next. Default 1,000. */
  readonly runsPerLookMax?: number
  /** Attempts of one run that one look asks the queue for; the others come next. Default 32. */
  readonly attemptsPerLookMax?: number
  /** What one call to a port may take. Milliseconds, default 10,000. */
  readonly callTimeoutMs?: number
  /** A watchdog silent for so long is replaced by one that waits. What the first one said counts. Milliseconds, default 10,000. */
  readonly leaseTtlMs?: number
  /** Told first of everything that fails and does not stop the watchdog: as a listener to `error`. */
  readonly onError?: (error: unknown) => void
  /** Closes the watchdog when it aborts. */
  readonly signal?: AbortSignal
  readonly runtime?: Runtime
}

const durationMs = z
  .number()
  .int()
  .min(1)
  .max(24 * 3_600_000)
const callable = (what: string) => z.custom<never>((value) => typeof value === 'function', what).optional()

const optionsSchema = z
  .strictObject({
    adapter: z.custom<Adapter>(
      (value) => typeof value === 'object' && value !== null && 'log' in value && 'inbox' in value,
      'pass an open adapter, such as openFiles returns',
    ),
    runs: z
      .union([z.array(runIdSchema).max(100_000), z.strictObject({ prefix: z.string().max(128) })])
      .default({ prefix: '' }),
    // Both a run id and a lane.
    watchdogId: laneSchema.default('watchdog'),
    onIncident: callable('pass a function'),
    command: z.array(z.string()).min(1).optional(),
    intervalMs: durationMs.default(10_000),
    stalledAfterMs: durationMs.default(300_000),
    notifyTimeoutMs: durationMs.default(60_000),
    runsPerLookMax: z.number().int().min(1).max(100_000).default(1_000),
    attemptsPerLookMax: z.number().int().min(1).max(10_000).default(32),
    callTimeoutMs: durationMs.default(10_000),
    leaseTtlMs: z.number().int().min(200).max(3_600_000).default(10_000),
    onError: callable('pass a function'),
    signal: z.instanceof(AbortSignal, { error: 'pass an AbortSignal' }).optional(),
    runtime: z
      .custom<Runtime>((value) => typeof (value as Runtime | null)?.now === 'function', 'pass a Runtime')
      .optional(),
  })
  .refine(
    ({ onIncident, command }) => (onIncident === undefined) !== (command === undefined),
    'pass either onIncident or command',
  )
/** With every default filled in. */
export type ParsedOptions = z.output<typeof optionsSchema>

/** `INVALID_INPUT` for options that are not as documented. */
export function parseWatchdogOptions(options: WatchdogOptions): ParsedOptions {
  const parsed = optionsSchema.safeParse(options)
  if (parsed.success) return parsed.data
  throw new RepriseError(
    'INVALID_INPUT',
    `startWatchdog was called with something else than documented: ${describeIssues(parsed.error)}. Nothing was started.`,
    { details: { path: parsed.error.issues[0]?.path.map(String) } },
  )
}
