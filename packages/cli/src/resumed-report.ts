import { type Adapter, isRepriseError, loadRun, nextAction, type Run, type RunId } from '@reprise/core'
import { z } from 'zod'
import type { Style } from './output/style.js'

/** Where a run stands after it was taken up, and how that went. */
export const resumed = z.object({
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
export type Resumed = z.output<typeof resumed>

/** Events that the log has before it is touched. A log that cannot be read is for the gates to judge. */
export async function versionOf({ log, snapshots }: Adapter, runId: RunId): Promise<number> {
  try {
    return (await loadRun(log, runId, { snapshots })).state.version
  } catch (error) {
    if (isRepriseError(error)) return 0
    throw error
  }
}

/** What the log says after the resume. `run`: `null` if it was not taken up. */
export async function resumedOf(
  { log, snapshots }: Adapter,
  runId: RunId,
  before: number,
  run: Run | null,
): Promise<Resumed> {
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
export async function gatesOf(
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

/** For people: the gates, and what there is to do. */
export function resumedText(value: Resumed, style: Style): string {
  // Evidence is not cut, however narrow the terminal: it is what one reads this for.
  const gates = value.gates.map(({ gate, pass, evidence }) => {
    const verdict = pass ? style.ink('green', 'pass') : style.ink('red', 'FAIL')
    return `${verdict}  ${style.text(gate).padEnd(widestGate)}  ${style.text(evidence)}`
  })
  if (value.failure !== null) {
    const { code, message } = value.failure
    return [...gates, style.ink('red', `${style.text(code)}: ${style.text(message)}`)].join('\n')
  }
  const { out, planned, received, stopped } = value.waiting
  return [
    ...gates,
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

const widestGate = 'receipts-pending'.length
