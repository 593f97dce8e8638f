import { resolve } from 'node:path'
import {
  type Adapter,
  describeEvent,
  isRepriseError,
  loadRun,
  nextAction,
  openRun,
  type Run,
  type RunId,
} from '@reprise/core'
import { z } from 'zod'
import { type Context, defineCommand } from '../command.js'
import { CommandFailure, usage } from '../command-failure.js'
import { exitOfCode } from '../exit-codes.js'
import { linesWhile } from '../lines-while.js'
import type { Style } from '../output/style.js'
import { runIdOf, unknownRun } from '../read-values.js'

const modes = ['recovering', 'dispatching', 'awaiting', 'evaluating', 'closed'] as const

const resumed = z.object({
  type: z.literal('resumed'),
  runId: z.string(),
  version: z.number(),
  epoch: z.number(),
  status: z.string(),
  mode: z.string(),
  gates: z
    .array(z.object({ gate: z.string(), pass: z.boolean(), evidence: z.string() }))
    .describe('in their order; the first that fails is the last one'),
  corrections: z.array(z.string()).describe('what was not as it should be, and is now'),
  cameBack: z
    .array(z.object({ taskId: z.string(), attempt: z.number(), status: z.string() }))
    .describe('receipts that were recorded now and wait for a decision'),
  waiting: z.object({ out: z.number(), planned: z.number(), received: z.number(), stopped: z.number() }),
  nextAction: z.string(),
  failure: z.object({ code: z.string(), message: z.string() }).nullable().describe('null: every gate has passed'),
})
const recorded = z.object({
  type: z.literal('event'),
  runId: z.string(),
  version: z.number(),
  event: z.string().describe('its type'),
  text: z.string(),
})
const schema = z.discriminatedUnion('type', [resumed, recorded])
type Line = z.output<typeof schema>
type Resumed = z.output<typeof resumed>

export const resume = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run' } },
  options: {
    'expect-mode': { says: 'the mode that you believe it to be in; corrected on record', value: 'MODE', oneOf: modes },
    now: { says: 'take the run over from a live holder, which stops then' },
    hold: { says: 'go on holding it until Ctrl-C, one line per event' },
    'until-settled': { says: 'hold it until nothing is out or planned' },
    'state-file': { says: 'the state file of the run, to be kept right', value: 'PATH', what: 'file' },
  },
  details: `Takes the run up: passes every resume gate in order, records what came back while nobody was home, offers again what
is out, and shows all of it. The run is let go again, unless it is to be held. A gate that fails stops it: it is named with
its evidence, nothing is decided, and the exit code is 1; 5 if the run is held by somebody alive.

With --hold this process is the coordinator: it records receipts, lets expired attempts be tried again, sends out what is
planned, and obeys what other commands ask for. It decides nothing about results: accept and reject are for others.`,
  examples: [
    { line: 'resume digest-src', says: 'take it up, see where it stands' },
    { line: 'resume digest-src --hold --until-settled', says: 'be its coordinator until all work is back' },
  ],
  output: 'lines',
  schema,
  async *run(context, { args, options }) {
    const runId = runIdOf(args.RUN)
    const file = options['state-file']
    const adapter = await context.open({ to: 'write' })
    const before = await versionOf(adapter, runId)
    let run: Run
    try {
      run = await openRun({
        ...{ adapter, runId, signal: context.signal, takeover: options.now ? 'now' : 'when-dead' },
        ...(options['expect-mode'] !== undefined && { expectMode: modeOf(options['expect-mode']) }),
        ...(file !== undefined && { stateFile: resolve(context.cwd, file) }),
      })
    } catch (error) {
      if (isRepriseError(error, 'RUN_UNKNOWN')) throw unknownRun(runId, context.place)
      if (!isRepriseError(error) || typeof error.details.gate !== 'string') throw error
      context.exitWith(exitOfCode(error.code))
      const failed = { gate: error.details.gate, pass: false, evidence: error.message }
      const failure = { code: error.code, message: error.message }
      yield {
        ...(await resumedOf(adapter, runId, before, null)),
        ...(await gatesOf(adapter, runId, before, failed)),
        failure,
      }
      return
    }
    if (!options.hold && !options['until-settled']) {
      await run.close()
      yield await resumedOf(adapter, runId, before, run)
      return
    }
    yield* linesWhile<Line>((tell) => hold(run, { context, adapter, before, settled: options['until-settled'] }, tell))
  },
  human: (value, style) => (value.type === 'event' ? eventLine(value, style) : resumedText(value, style)),
})

const modeOf = (text: string): (typeof modes)[number] => {
  const mode = modes.find((name) => name === text)
  if (mode === undefined) throw usage(`${text} is no mode: ${modes.join(', ')}.`)
  return mode
}

/** Events that the log has before it is touched. A log that cannot be read is for the gates to judge. */
async function versionOf({ log, snapshots }: Adapter, runId: RunId): Promise<number> {
  try {
    return (await loadRun(log, runId, { snapshots })).state.version
  } catch (error) {
    if (isRepriseError(error)) return 0
    throw error
  }
}

/** What the log says after the resume. `run`: `null` if it was not taken up. */
async function resumedOf({ log, snapshots }: Adapter, runId: RunId, before: number, run: Run | null): Promise<Resumed> {
  const loaded = await loadRun(log, runId, { snapshots }).catch((error: unknown) => {
    if (isRepriseError(error)) return null
    throw error
  })
  const state = loaded?.state
  const last = state?.recent.decisions.findLast(({ event, version }) => event.type === 'resumed' && version > before)
  const cameBack = [...(state?.received ?? [])].flatMap((taskId) => {
    const task = state?.tasks.get(taskId)
    if (task === undefined || task.receipt === null || task.changedAt <= before) return []
    return [{ taskId, attempt: task.attempt, status: task.receipt.status }]
  })
  const { out = 0, planned = 0, received = 0, stopped = 0 } = state?.counts ?? {}
  return {
    ...{ type: 'resumed', runId, version: state?.version ?? 0, epoch: state?.epoch ?? 0 },
    ...{ status: state?.status ?? 'unknown', mode: state?.mode ?? 'unknown' },
    gates: (run?.gates ?? []).map((gate) => ({ ...gate })),
    corrections: last?.event.type === 'resumed' ? [...last.event.data.corrections] : [],
    cameBack,
    waiting: { out, planned, received, stopped },
    nextAction: state === undefined ? 'find out what is wrong with the log: reprise verify' : nextAction(state),
    failure: null,
  }
}

/** The gates as the log has them, if they got that far; else the one that failed. */
async function gatesOf(
  { log, snapshots }: Adapter,
  runId: RunId,
  before: number,
  failed: Resumed['gates'][number],
): Promise<Pick<Resumed, 'gates'>> {
  const troubles = await loadRun(log, runId, { snapshots }).then(
    ({ state }) => state.recent.troubles,
    () => [],
  )
  const recordedAt = troubles.findLast(({ event, version }) => event.type === 'resumed' && version > before)
  return { gates: recordedAt?.event.type === 'resumed' ? [...recordedAt.event.data.gates] : [failed] }
}

interface Hold {
  readonly context: Context
  readonly adapter: Adapter
  readonly before: number
  /** Ends when nothing is out or planned. */
  readonly settled: boolean
}

/** Tells every event until the run ends, is let go, or is somebody else's. */
async function hold(
  run: Run,
  { context, adapter, before, settled }: Hold,
  tell: (line: Line) => Promise<void>,
): Promise<void> {
  const stop = (): void => void run.close()
  const isSettled = (): boolean => settled && run.status.counts.out + run.status.counts.planned === 0
  let telling: Promise<void> = Promise.resolve()
  run.on('commit', ({ events, status }) => {
    const first = status.version - events.length + 1
    for (const [i, event] of events.entries()) {
      const line = { runId: run.id, version: first + i, event: event.type, text: describeEvent(event) }
      telling = telling.then(() => tell({ type: 'event', ...line }))
      telling.catch(stop)
    }
    if (isSettled()) stop()
  })
  run.on('transport-failed', (error) => void context.out.note(`tried again: ${(error as Error)?.message ?? error}`))
  run.on('state-file-drift', ({ text }) => void context.out.note(text))
  const over = new Promise<void>((resolve) => {
    if (run.signal.aborted) resolve()
    else run.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  telling = telling.then(async () => tell(await resumedOf(adapter, run.id, before, run)))
  if (isSettled()) stop()
  await over
  await run.close()
  await telling
  const { reason } = run.signal as { reason: unknown }
  if (isRepriseError(reason, 'LOCK_LOST')) throw new CommandFailure('unavailable', reason.code, reason.message)
  if (!isRepriseError(reason, 'CLOSED')) throw reason
}

const eventLine = ({ version, event, text }: z.output<typeof recorded>, style: Style): string =>
  `${style.ink('dim', `${version}  ${style.text(event)}`)}  ${style.text(text)}`

function resumedText(value: Resumed, style: Style): string {
  const gates = value.gates.map(({ gate, pass, evidence }) => [
    pass ? style.ink('green', 'pass') : style.ink('red', 'FAIL'),
    style.text(gate),
    style.text(evidence),
  ])
  const table = style.table([{ title: '' }, { title: 'gate' }, { title: 'evidence', shrinks: true }], gates)
  if (value.failure !== null) {
    return `${table}\n${style.ink('red', `${style.text(value.failure.code)}: ${style.text(value.failure.message)}`)}`
  }
  const { out, planned, received, stopped } = value.waiting
  return [
    ...(gates.length === 0 ? [] : [table]),
    style.pairs([
      ['run', style.ink('bold', style.text(value.runId))],
      ['status', `${style.status(value.status)} (${value.mode}) at version ${value.version}, epoch ${value.epoch}`],
      ...value.corrections.map((text) => ['corrected', style.text(text)] as const),
      ...value.cameBack.map(
        ({ taskId, attempt, status }) => ['came back', `${style.text(taskId)}, attempt ${attempt}: ${status}`] as const,
      ),
      ['tasks', `${out} out, ${planned} planned, ${received} to be decided, ${stopped} stopped`],
      ['next', style.text(value.nextAction)],
    ]),
  ].join('\n')
}
