import { type Adapter, isRepriseError, loadRun, nextAction, type Run, type RunId, type RunState } from '@reprise/core'
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
    .describe('receipts that were recorded now and wait for a decision; at most 1000'),
  waiting: z.object({ out: z.number(), planned: z.number(), received: z.number(), stopped: z.number() }),
  nextAction: z.string(),
  failure: z.object({ code: z.string(), message: z.string() }).nullable().describe('null: every gate has passed'),
})
export type Resumed = z.output<typeof resumed>

/** A gate that did not pass. */
interface FailedGate {
  readonly gate: string
  readonly evidence: string
  readonly code: string
  readonly message: string
}

const cameBackMax = 1_000

/** What the log says after a resume: `result` is the run that was opened, or the gate that kept it from that. */
export async function resumedOf(
  { log, snapshots }: Adapter,
  runId: RunId,
  result: { readonly run: Run } | { readonly failed: FailedGate },
): Promise<Resumed> {
  const loaded = await loadRun(log, runId, { snapshots }).catch((error: unknown) => {
    // A log that does not verify is what the gate says.
    if (isRepriseError(error)) return null
    throw error
  })
  const failed = 'failed' in result ? result.failed : null
  const gates = 'run' in result ? result.run.gates.map((gate) => ({ ...gate })) : []
  const failure = failed && { code: failed.code, message: failed.message }
  const shown = loaded === null ? unreadable : standing(loaded.state, failed === null)
  return {
    ...{ type: 'resumed', runId, ...shown, failure },
    gates: failed === null ? gates : (recordedGates(loaded?.state, failed) ?? [{ ...failedResult(failed) }]),
  }
}

const failedResult = ({ gate, evidence }: FailedGate) => ({ gate, pass: false, evidence })

const unreadable = {
  ...{ version: 0, epoch: 0, status: 'unknown', mode: 'unknown', corrections: [], cameBack: [] },
  waiting: { out: 0, planned: 0, received: 0, stopped: 0 },
  nextAction: 'find out what is wrong with the log: reprise verify',
}

/** `taken`: this epoch is ours, and what was recorded in it is what the resume has found. */
function standing(state: RunState, taken: boolean): Omit<Resumed, 'type' | 'runId' | 'gates' | 'failure'> {
  const { version, epoch, status, mode, counts } = state
  const last = state.recent.decisions.findLast(({ event }) => event.type === 'resumed')
  const corrected = taken && last?.event.type === 'resumed' && last.version > epoch ? last.event.data.corrections : []
  const cameBack: Resumed['cameBack'] = []
  for (const taskId of taken ? state.received : []) {
    const task = state.tasks.get(taskId)
    if (task === undefined || task.receipt === null || task.changedAt <= epoch) continue
    if (cameBack.length < cameBackMax) cameBack.push({ taskId, attempt: task.attempt, status: task.receipt.status })
  }
  const { out, planned, received, stopped } = counts
  const waiting = { out, planned, received, stopped }
  return { version, epoch, status, mode, corrections: [...corrected], cameBack, waiting, nextAction: nextAction(state) }
}

/** Gates behind the lock are in the log, the one that failed included. */
function recordedGates(state: RunState | undefined, { gate }: FailedGate): Resumed['gates'] | null {
  const last = state?.recent.troubles.findLast(({ event }) => event.type === 'resumed')
  if (state === undefined || last?.event.type !== 'resumed' || last.version < state.epoch) return null
  const { gates } = last.event.data
  return gates.at(-1)?.gate === gate ? gates.map((each) => ({ ...each })) : null
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
      ...value.cameBack.slice(0, linesMax).map(({ taskId, attempt, status }) => {
        return ['came back', `${style.text(taskId)}, attempt ${attempt}: ${status}`] as const
      }),
      ['tasks', `${out} out, ${planned} planned, ${received} to be decided, ${stopped} stopped`],
      ['next', style.text(value.nextAction)],
    ]),
  ].join('\n')
}

/** Of what came back; how many wait is told in any case. */
const linesMax = 20
const widestGate = 'receipts-pending'.length
