import { isRepriseError, type RunId } from '@reprise/core'
import { inspectLog, type LogReport, logProblems } from '@reprise/core/replay'
import { z } from 'zod'
import { type Context, defineCommand } from '../command.js'
import { usage } from '../command-failure.js'
import type { Style } from '../output/style.js'
import { wrapped } from '../output/wrap.js'
import { runIdOf, unknownRun } from '../read-values.js'

const schema = z.object({
  runId: z.string(),
  ok: z.boolean(),
  commits: z.number().describe('commits that are right: all, or those before the first bad one'),
  version: z.number().describe('events in them'),
  head: z.string().nullable().describe('hash of the last of them'),
  first: z.string().nullable().describe('hash of the first of them'),
  snapshotCommits: z.number().describe('commits that a snapshot stood for, with --quick: they were not read'),
  problem: z
    .object({
      kind: z.enum(logProblems),
      commit: z.number().describe('index of the first bad commit'),
      place: z.string().nullable().describe('where it is: a byte of the file, an entry, a message'),
      message: z.string(),
      remedy: z.string(),
    })
    .nullable(),
  later: z.number().nullable().describe('whole commits behind the first bad one'),
  remains: z
    .object({ torn: z.number(), tornTail: z.boolean(), passedOver: z.number() })
    .nullable()
    .describe('harmless: pieces of writes that failed, and commits whose place was taken'),
})

type Shown = z.output<typeof schema>

export const verify = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run', optional: true } },
  options: {
    all: { says: 'every run; goes on behind a bad one' },
    quick: { says: 'only what is behind the newest snapshot, as opening the run does' },
  },
  details: `
Reads the whole log: every commit must have the hash that it carries and follow the one before it, and every event must be
known and possible where it stands. Names the first bad commit, where it is, what happened to it, and what to do. Changes
nothing. Ends with 1 if a log is bad.

What a failed or interrupted write left behind is passed over, here as everywhere, and counted: it is harmless.

A log whose newest commits were cut off verifies: only something that was kept elsewhere shows that. Sign a checkpoint with
reprise checkpoint sign and compare it with reprise checkpoint verify.`,
  examples: [
    { line: 'verify digest-src', says: 'is this log what was written?' },
    { line: 'verify --all --json', says: 'a line per run, for a nightly check' },
  ],
  output: 'lines',
  schema,
  run: async function* (context, { args, options }) {
    if ((args.RUN === undefined) !== options.all) throw usage('verify takes the id of a run, or --all for every run.')
    let [runs, bad] = [0, 0]
    for await (const report of reports(context, args.RUN, options.quick)) {
      runs++
      if (!report.ok) {
        bad++
        context.exitWith('problem')
      }
      yield report
    }
    if (options.all && !context.json) await context.out.note(`${runs} ${runs === 1 ? 'run' : 'runs'}, ${bad} bad.`)
  },
  human: (report, style) => (report.ok ? good(report, style) : badly(report, style)),
})

async function* reports(context: Context, run: string | undefined, quick: boolean): AsyncGenerator<LogReport> {
  const { log, snapshots } = await context.open()
  const inspect = (runId: RunId) => inspectLog(log, runId, quick ? { snapshots } : {})
  if (run !== undefined) {
    const runId = runIdOf(run)
    const report = await unlessGone(() => inspect(runId))
    if (report === null) throw unknownRun(runId, context.place)
    yield report
    return
  }
  for await (const runId of log.list()) {
    if (context.signal.aborted) return
    // It may have been removed since it was listed.
    const report = await unlessGone(() => inspect(runId))
    if (report !== null) yield report
  }
}

async function unlessGone(inspect: () => Promise<LogReport>): Promise<LogReport | null> {
  try {
    return await inspect()
  } catch (error) {
    if (isRepriseError(error, 'RUN_UNKNOWN')) return null
    throw error
  }
}

function good({ runId, commits, version, head, snapshotCommits, remains }: Shown, style: Style): string {
  const found = [
    `${commits} commits`,
    `${version} events`,
    `head ${head?.slice(0, 12)}`,
    ...(snapshotCommits > 0 ? [`the first ${snapshotCommits} by their snapshot`] : []),
    ...harmless(remains),
  ]
  return wrapped(style, `${style.ink('bold', style.text(runId))}  ${found.join(', ')}`, style.ink('green', 'ok   '))
}

function harmless(remains: Shown['remains']): string[] {
  if (remains === null) return []
  const { torn, tornTail, passedOver } = remains
  const tail = tornTail ? (torn > 1 ? ', one at the end' : ' at the end') : ''
  return [
    ...(torn > 0 ? [`${torn} harmless remain${torn === 1 ? '' : 's'} of a write that failed${tail}`] : []),
    ...(passedOver > 0 ? [`${passedOver} line${passedOver === 1 ? '' : 's'} whose place was taken`] : []),
  ]
}

/** As wide as the words before it. */
const margin = ' '.repeat(5)

function badly({ runId, commits, problem, later }: Shown, style: Style): string {
  if (problem === null) return ''
  const at = problem.place === null ? '' : ` at ${problem.place}`
  const behind = later === null || later === 0 ? '' : `, ${later} whole one${later === 1 ? '' : 's'} behind it`
  return [
    wrapped(
      style,
      `${style.ink('bold', style.text(runId))}  ${problem.kind}: commit ${problem.commit}${style.text(at)}`,
      style.ink('red', 'bad  '),
    ),
    wrapped(style, style.text(problem.message), margin),
    wrapped(style, `${commits} right commit${commits === 1 ? '' : 's'} before it${behind}.`, margin),
    wrapped(style, style.text(problem.remedy), margin),
  ].join('\n')
}
