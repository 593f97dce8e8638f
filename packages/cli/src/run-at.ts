import type { RunId } from '@reprise/core'
import type { Where } from '@reprise/core/replay'
import { type CommandFailure, notFound, usage } from './command-failure.js'
import { runIdOf } from './read-values.js'

/** A run, and where in its log. */
export interface RunPlace {
  readonly runId: RunId
  /** `{ back: 0 }` if nothing was said. */
  readonly where: Where
  /** As it was given, if it could also be the id of a run as a whole. */
  readonly mayBeRun: RunId | null
}

const head: Where = { back: 0 }

/** What the help of a command says about places in a log. */
export const whereHelp =
  'A place is a VERSION (number of events, 0 is before the first), -N (N events before the newest), HEAD, or a TIME such ' +
  'as 2026-11-21T10:00:00Z (every commit up to the first later one).'

/** What the help of a command says about `RUN@VERSION`. */
export const runAtHelp = `${whereHelp} It stands behind the last @. The id of a run may hold @ itself: if what follows its last @ looks like a place, write RUN@HEAD.`

/** `RUN`, `RUN@57`, `RUN@-1`, `RUN@HEAD`, `RUN@2026-11-21T10:00:00Z`. What follows another last `@` is part of the id. */
export function readRunAt(text: string): RunPlace {
  const at = text.lastIndexOf('@')
  const where = at === -1 ? null : parseWhere(text.slice(at + 1))
  if (where === null) return { runId: runIdOf(text), where: head, mayBeRun: null }
  const whole = /^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$/.test(text) ? runIdOf(text) : null
  return { runId: runIdOf(text.slice(0, at)), where, mayBeRun: whole }
}

/** A version, `-N`, `HEAD` or a time, from an argument of its own. */
export function readWhere(text: string): Where {
  const where = parseWhere(text)
  if (where !== null) return where
  throw usage(
    `${text} is no place in a log. Give a version such as 57, -1, HEAD, or a time such as 2026-11-21T10:00:00Z.`,
  )
}

/** For a run that is not there: its id may have been meant to hold the `@`. */
export function unknownRunAt({ runId, mayBeRun }: RunPlace, place: string): CommandFailure {
  const perhaps = mayBeRun === null ? '' : ` If the id of the run is ${mayBeRun}, write ${mayBeRun}@HEAD.`
  return notFound(
    `There is no run ${runId} in ${place}. List them with: reprise runs; another backend is named with --at.${perhaps}`,
    {
      runId,
    },
  )
}

function parseWhere(text: string): Where | null {
  if (text === 'HEAD') return head
  if (/^\d{1,15}$/.test(text)) return { version: Number(text) }
  if (/^-\d{1,15}$/.test(text)) return { back: Number(text.slice(1)) }
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text)) return null
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? null : { at: new Date(ms).toISOString() }
}
