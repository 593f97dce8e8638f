import { describeEvent, isRepriseError, type RunId } from '@reprise/core'
import {
  type BisectReport,
  bisect as bisectRun,
  findBroken,
  type InvariantName,
  invariantNames,
  invariants,
} from '@reprise/core/replay'
import { type Context, defineCommand } from '../command.js'
import { usage } from '../command-failure.js'
import type { Expression } from '../expression.js'
import { runIdOf, unknownRun } from '../read-values.js'
import { viewedNames } from '../state-view.js'
import { stoppableLog } from '../stoppable-log.js'
import { bisectPage } from './bisect-page.js'
import { type Bisected, bisectSchema } from './bisect-schema.js'

export const bisect = defineCommand({
  args: { RUN: { says: 'the id of the run', optional: true, what: 'run' } },
  options: {
    when: { says: 'a condition in CEL', value: 'EXPRESSION' },
    invariant: { says: 'an invariant by its name, or all; may be given several times', value: 'NAME', many: true },
    'list-invariants': { says: 'print the invariants and what they say' },
  },
  details: `Finds the first event of a run behind which a condition holds, or that breaks an invariant. Looks at every event
in order, once, and checks every commit: what once held need not hold at the end. Ends with 1 if it found one, with 0 if
there is none. Changes nothing.

An expression is written in CEL (https://cel.dev). It may name

${namesHelp()}

At events where it asks for what is not there, such as a task that has not come in yet, the expression does not hold;
event.data.?x.orValue(0) and "a" in tasks ask without that.

An invariant is something that holds at every event of every log that the library wrote: --list-invariants prints them all.`,
  examples: [
    { line: "bisect digest-src --when 'counts.stopped > 3'", says: 'when the fourth task had stopped' },
    { line: 'bisect digest-src --when \'phase("src/a.ts") == "abandoned"\'', says: 'who gave a task up, and when' },
    {
      line: 'bisect digest-src --when \'event.type == "receipt-rejected" && event.data.gate == "epoch"\'',
      says: 'the first receipt that a gate refused',
    },
    { line: 'bisect digest-src --invariant all', says: 'whether the log keeps what the design promises' },
  ],
  output: 'document',
  schema: bisectSchema,
  run: async (context, { args, options }) => {
    if (options['list-invariants']) return { ...nothing, invariants: described(invariantNames) }
    if (args.RUN === undefined) throw usage('Name the run to look at, as in: reprise bisect RUN --invariant all.')
    const runId = runIdOf(args.RUN)
    if ((options.when === undefined) === (options.invariant.length === 0)) {
      throw usage('Say what to look for: either --when EXPRESSION or --invariant NAME.')
    }
    if (options.when !== undefined) return await byExpression(context, runId, options.when)
    const names = invariantsOf(options.invariant)
    const report = await look(context, runId, (log) => findBroken(log, runId, names))
    return { ...nothing, runId, invariants: described(names), ...reported(context, report) }
  },
  human: bisectPage,
})

const nothing: Bisected = { runId: null, when: null, invariants: [], events: 0, found: null, absent: null }

async function byExpression(context: Context, runId: RunId, when: string): Promise<Bisected> {
  // Loaded when it is needed: it takes as long as the rest of a small run.
  const { readExpression } = await import('../expression.js')
  const expression = readExpression(when)
  const report = await look(context, runId, (log) => bisectRun(log, runId, expression.holds))
  return { ...nothing, runId, when, ...reported(context, report), absent: absentOf(expression) }
}

type Log = Awaited<ReturnType<Context['open']>>['log']

async function look(context: Context, runId: RunId, at: (log: Log) => Promise<BisectReport>): Promise<BisectReport> {
  const { log } = await context.open()
  try {
    return await at(stoppableLog(log, context.signal))
  } catch (error) {
    throw isRepriseError(error, 'RUN_UNKNOWN') ? unknownRun(runId, context.place) : error
  }
}

function reported(context: Context, { found, version }: BisectReport): Pick<Bisected, 'events' | 'found'> {
  if (found === null) return { events: version, found: null }
  context.exitWith('problem')
  const { event, before, after, ...place } = found
  const { type, data, cause = null } = event
  return {
    events: version,
    found: {
      ...place,
      type,
      text: describeEvent(event),
      data,
      cause,
      before: brief(before),
      after: after && brief(after),
    },
  }
}

const brief = ({
  version,
  status,
  mode,
  reason,
  epoch,
  round,
  counts,
  spent,
}: NonNullable<BisectReport['found']>['before']) => ({
  ...{ version, status, mode, reason, epoch, round },
  counts: { ...counts },
  spent: { ...spent },
})

const absentOf = ({ absent: { count, first } }: Expression): Bisected['absent'] =>
  first === null ? null : { events: count, first }

const described = (names: readonly InvariantName[]): Bisected['invariants'] =>
  names.map((name) => ({ name, says: invariants[name].says, shows: invariants[name].shows }))

function invariantsOf(given: readonly string[]): readonly InvariantName[] {
  if (given.includes('all')) return invariantNames
  const unknown = given.find((name) => !(invariantNames as string[]).includes(name))
  if (unknown !== undefined) {
    throw usage(`There is no invariant ${unknown}. List them with: reprise bisect --list-invariants.`)
  }
  return given as InvariantName[]
}

/** Items of a list, in a terminal as in docs/cli.md. */
function namesHelp(): string {
  const behindPoint = Object.entries(viewedNames.groups).flatMap(([group, names]) =>
    Object.entries(names).map(([name, { says }]) => [`${group}.${name}`, says === name ? '' : says] as const),
  )
  const bare = behindPoint.filter(([, says]) => says === '').map(([name]) => name)
  const told = [
    ...Object.entries(viewedNames.run).map(([name, { says }]) => [name, says] as const),
    [bare.join(', '), 'as in the state'] as const,
    ...behindPoint.filter(([, says]) => says !== ''),
    ['phase("TASK")', 'planned, out, received, stopped, accepted, cancelled, abandoned or unknown'] as const,
  ]
  return told.map(([name, says]) => `- ${name}: ${says}`).join('\n')
}
