import { type RunId, runIdSchema, type TaskId, taskIdSchema } from '@reprise/core'
import { type CommandFailure, notFound, usage } from './command-failure.js'

/** A run id from the command line. */
export function runIdOf(text: string): RunId {
  const parsed = runIdSchema.safeParse(text)
  if (parsed.success) return parsed.data
  throw usage(`${text} is not a run id: ${parsed.error.issues[0]?.message}. Look for it with: reprise runs.`)
}

/** A task id from the command line. */
export function taskIdOf(text: string): TaskId {
  const parsed = taskIdSchema.safeParse(text)
  if (parsed.success) return parsed.data
  throw usage(`${text} is not a task id: ${parsed.error.issues[0]?.message}. Look for it with: reprise tasks RUN.`)
}

export const unknownRun = (runId: RunId, place: string): CommandFailure =>
  notFound(`There is no run ${runId} in ${place}. List them with: reprise runs; another backend is named with --at.`, {
    runId,
  })

/** A whole number from an option. */
export function wholeNumber(text: string, name: string, least = 0, most = Number.MAX_SAFE_INTEGER): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw usage(
    `${name} takes a whole number from ${least}${most === Number.MAX_SAFE_INTEGER ? '' : ` to ${most}`}, not ${text}.`,
  )
}

/** The first sentence of a message of the library, whose advice is for programs. */
export const withoutAdvice = (message: string): string => /^.*?\.(?= [A-Z])/s.exec(message)?.[0] ?? message
