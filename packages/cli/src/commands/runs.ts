import { type ListedRun, listRuns, type UnreadableLog } from '@reprise/core/replay'
import { defineCommand } from '../command.js'
import { wholeNumber } from '../read-values.js'
import { type RunRow, runRowSchema, statuses } from './run-row.js'
import { runsNote, runsTable, type Totals } from './runs-table.js'

const details = `
Lists runs from the summaries that coordinators keep beside their logs; where a log has gone on since, it is read, from its
snapshot if there is one. A coordinator puts a summary at most every 2 s and when it closes, so logs are read of those that are
at work or were killed. Nothing is verified: reprise verify --all does that. A log that cannot be read has a row that says so,
before all others, and the exit code is 1. In memory: a row per run. Changes nothing.
`

export const runs = defineCommand({
  args: {},
  options: {
    status: { says: 'only these; may be given several times', value: 'STATUS', many: true, oneOf: statuses },
    open: { says: 'only those that are neither complete nor failed' },
    prefix: { says: 'only those whose id begins like this', value: 'TEXT' },
    sort: {
      says: 'age: youngest first (default); status: who needs somebody first; open: most open tasks first',
      value: 'BY',
      oneOf: ['age', 'status', 'open'],
    },
    limit: { says: 'at most so many', value: 'N', short: 'n' },
    long: { says: 'also when it changed, how far it is, and its goal', short: 'l' },
  },
  details,
  examples: [
    { line: 'runs', says: 'every run in the nearest .reprise, youngest first' },
    { line: 'runs --open --sort status', says: 'what is not finished, and what needs somebody first' },
    { line: 'runs --status failed --json', says: 'those that failed, a JSON document per line' },
  ],
  output: 'lines',
  schema: runRowSchema,
  run: async function* (context, { options }): AsyncGenerator<RunRow> {
    const { prefix = '' } = options
    const limit = options.limit === undefined ? Number.POSITIVE_INFINITY : wholeNumber(options.limit, '--limit', 1)
    const order = orders[(options.sort ?? 'age') as keyof typeof orders]
    const adapter = await context.open()
    const wanted: RunRow[] = []
    const totals: Totals = { runs: 0, logsRead: 0, unreadable: 0 }
    for await (const run of listRuns(adapter, { prefix })) {
      if (context.signal.aborted) return
      const row = rowOf(run)
      totals.runs++
      if (row.source === 'log') totals.logsRead++
      if (row.problem !== null) totals.unreadable++
      if (isWanted(row, options)) wanted.push(row)
    }
    if (totals.unreadable > 0) context.exitWith('problem')
    const rows = wanted.sort((a, b) => problemFirst(a, b) || order(a, b) || byName(a, b)).slice(0, limit)
    if (context.json) return yield* rows
    // A person reads a table: lines that are under each other, of all rows.
    const { out, style, place } = context
    if (rows.length > 0) await out.human(runsTable(rows, { style, long: options.long, nowMs: Date.now() }))
    await out.note(runsNote(rows, totals, { style, prefix, place: style.text(place) }))
  },
  human: () => null,
})

/** A row of each. */
const rowOf = (run: ListedRun | UnreadableLog): RunRow => (run.problem === null ? run : { ...nothing, ...run })

const nothing = {
  ...{ version: null, status: null, mode: null, openTasks: null, open: null, tasks: null, accepted: null },
  ...{ openedAt: null, at: null, holder: null, goal: null, criteria: null },
}

interface Wanted {
  readonly status: readonly string[]
  readonly open: boolean
}

/** What a log that cannot be read is about is not known: it is left out only where somebody asks for a status. */
function isWanted({ status, mode }: RunRow, wanted: Wanted): boolean {
  if (wanted.status.length > 0 && (status === null || !wanted.status.includes(status))) return false
  return !wanted.open || mode !== 'closed'
}

const needs: readonly RunRow['status'][] = ['blocked', 'failed', 'paused', 'running', 'awaiting-result', 'complete']
const byName = (a: RunRow, b: RunRow): number => (a.runId < b.runId ? -1 : 1)
const byAge = (a: RunRow, b: RunRow): number => compare(b.openedAt ?? '', a.openedAt ?? '')
const problemFirst = (a: RunRow, b: RunRow): number => Number(b.problem !== null) - Number(a.problem !== null)
const compare = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1)
const orders = {
  age: byAge,
  status: (a: RunRow, b: RunRow): number => needs.indexOf(a.status) - needs.indexOf(b.status) || byAge(a, b),
  open: (a: RunRow, b: RunRow): number => (b.openTasks ?? 0) - (a.openTasks ?? 0) || byAge(a, b),
}
