import { z } from 'zod'
import { type Mode, modes, type Status, statuses } from '../protocol/events.js'
import { isoTimeSchema, type RunId, runIdSchema } from '../protocol/ids.js'
import { limits } from '../protocol/limits.js'
import { beginning, clipped } from '../protocol/one-line.js'
import type { RunState } from '../protocol/state.js'

/** Characters of a goal that a list of runs has room for. */
const goalMax = 200
/** Characters of a name, such as that of a holder: far more than any has. */
const nameMax = 512

/** Who has locked a run, by its log. */
export interface SummaryHolder {
  readonly id: string
  readonly host: string
  readonly pid: number
}

/** What a list of runs says about one, by its log up to `version`. */
export interface RunSummary {
  readonly runId: RunId
  readonly version: number
  readonly status: Status
  readonly mode: Mode
  /** Tasks that are not settled, by where they are. */
  readonly open: { readonly planned: number; readonly out: number; readonly received: number; readonly stopped: number }
  /** Tasks ever taken in, and how many of them were accepted. */
  readonly tasks: number
  readonly accepted: number
  /** ISO time of the first commit, and of the newest. */
  readonly openedAt: string | null
  readonly at: string
  /** `null`: nobody has the lock. */
  readonly holder: SummaryHolder | null
  /** Its beginning, if it is long. */
  readonly goal: string
  readonly criteria: { readonly met: number; readonly total: number }
}

export function summaryOf(state: RunState): RunSummary {
  const { version, status, mode, openedAt, at, lock, criteria } = state
  const { planned, out, received, stopped, tasks, accepted } = state.counts
  return {
    runId: state.runId as RunId,
    ...{ version, status, mode, open: { planned, out, received, stopped }, tasks, accepted, openedAt, at },
    holder: lock && holderOf(lock.holder),
    goal: clipped(state.goal, goalMax),
    criteria: { met: criteria.filter((met) => met !== null).length, total: state.successCriteria.length },
  }
}

const holderOf = ({ id, host, pid }: SummaryHolder): SummaryHolder => ({
  id: beginning(id, nameMax),
  host: beginning(host, nameMax),
  pid,
})

/** Raised with every change of what a summary says: one of another version is as good as none. */
const form = 1

export const summaryText = (summary: RunSummary): string => JSON.stringify({ form, ...summary })

const count = z.number().int().min(0)
const name = z.string().max(nameMax)
const schema = z.strictObject({
  form: z.literal(form),
  runId: runIdSchema,
  version: z.number().int().min(1),
  status: z.enum(statuses),
  mode: z.enum(modes),
  open: z.strictObject({ planned: count, out: count, received: count, stopped: count }),
  tasks: count,
  accepted: count,
  openedAt: isoTimeSchema.nullable(),
  at: isoTimeSchema,
  holder: z.strictObject({ id: name, host: name, pid: count }).nullable(),
  goal: z.string().max(goalMax + 1),
  criteria: z.strictObject({ met: count, total: count }),
})

/** A summary of that run, out of a text from anywhere; `null` if it is none. */
export function readSummary(text: string, runId: RunId): RunSummary | null {
  if (text.length > limits.runSummaryMax) return null
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success || parsed.data.runId !== runId) return null
  // Field by field: of thousands of objects, those that are spread cost more than all the rest.
  const { version, status, mode, open, tasks, accepted, openedAt, at, holder, goal, criteria } = parsed.data
  return { runId, version, status, mode, open, tasks, accepted, openedAt, at, holder, goal, criteria }
}
