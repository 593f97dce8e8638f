import { z } from 'zod'
import type { EventType } from '../src/protocol/events.js'
import type { Reason } from '../src/replay/reason.js'
import { type RunWhy, runWhySchema, whyRun } from '../src/replay/why-run.js'
import { type TaskWhy, taskWhySchema, whyTask } from '../src/replay/why-task.js'
import { defineTask } from '../src/worker/define-task.js'
import { startWorker } from '../src/worker/start-worker.js'
import type { GivenRun } from './given-run.js'
import { RunStage, runId } from './run-stage.js'

const work = defineTask('count', { input: z.object({ path: z.string() }), output: z.object({ lines: z.number() }) })
const forever = (): Promise<never> => new Promise(() => {})

/** What somebody outside finds out, checked against the schema that is promised. */
export async function whyOf(stage: RunStage, adapter = stage.outside.adapter): Promise<RunWhy> {
  const runtime = stage.outside.runtime
  return runWhySchema.parse(await stage.clock.run(whyRun({ adapter, runId, runtime })))
}

export async function whyTaskOf(stage: RunStage, taskId: string, adapter = stage.outside.adapter): Promise<TaskWhy> {
  const runtime = stage.outside.runtime
  return taskWhySchema.parse(await stage.clock.run(whyTask({ adapter, runId, taskId, runtime })))
}

/** Codes from the reason at hand down to its root. */
export const codesOf = (chain: readonly Reason[] | undefined): string[] => (chain ?? []).map(({ code }) => code)

/** The types of the events that a reason names. */
export const shownBy = (stage: RunStage, reason: Reason | undefined): (EventType | undefined)[] =>
  (reason?.events ?? []).map((version) => stage.events[version - 1]?.type)

/** Codes of the groups, with what each needs. */
export const groupsOf = ({ groups }: RunWhy): string[] => groups.map(({ code, needs }) => `${code}: ${needs}`)

export const groupOf = ({ groups }: RunWhy, code: string) => groups.find((group) => group.code === code)

/** A worker in a process of its own that never comes to an end. */
export const busyWorker = (stage: RunStage, options: object = {}): Promise<void> => begin(stage, forever, options)

/** One that answers at once. */
export const quickWorker = (stage: RunStage): Promise<void> => begin(stage, async () => ({ lines: 1 }), {})

async function begin(stage: RunStage, handle: () => Promise<{ lines: number }>, options: object): Promise<void> {
  const handlers = [work.handle(handle)]
  await stage.clock.run(startWorker({ ...stage.process(), handlers, workerId: 'w-1', ...options }))
  await stage.clock.settle()
}

/** A stage on which the log of this run lies, at the time of its newest commit. */
export function stageOf(run: GivenRun): RunStage {
  const stage = new RunStage()
  const records = run.lines.map((text, index) => ({ index, hash: JSON.parse(text).hash, text }))
  stage.backend.runs.records.set(runId, records)
  stage.clock.step(run.nowMs - stage.clock.now())
  return stage
}
