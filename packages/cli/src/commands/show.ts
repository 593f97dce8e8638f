import { isRepriseError, nextAction, type RunState, settledDepth, settledOutcome, type TaskId } from '@reprise/core'
import { loadRunAt, openTaskJson, type RunAt, stateJson } from '@reprise/core/replay'
import { type Context, defineCommand } from '../command.js'
import { notFound } from '../command-failure.js'
import { taskIdOf } from '../read-values.js'
import { type RunPlace, readRunAt, runAtHelp, unknownRunAt } from '../run-at.js'
import { stoppableLog } from '../stoppable-log.js'
import { showPage } from './show-page.js'
import { type Shown, shownSchema } from './show-schema.js'

export const show = defineCommand({
  args: { 'RUN@VERSION': { says: 'the run, and where in its log; default: its head', what: 'run' } },
  options: { task: { says: 'only this task', value: 'TASK', what: 'task' } },
  details: `Shows the state of a run as it was at any version of its log, also inside a commit, or at a time. ${runAtHelp}

Reads and checks the log up to there, or from its snapshot on if that is not beyond it; nothing behind it is read. What a
time shows never depends on snapshots. Changes nothing of the run; on files, the first look far into a long log keeps some of the
states that it passes beside it, so that the next one is quick. --json holds the whole state; the text leaves out what is long.`,
  examples: [
    { line: 'show digest-src', says: 'the run as it is' },
    { line: 'show digest-src@57', says: 'as it was after its first 57 events' },
    { line: 'show digest-src@-1 --json', says: 'all of its state before the newest event' },
    { line: 'show digest-src@2026-11-21T10:00:00Z --task src/a.ts', says: 'where a task stood at ten' },
  ],
  output: 'document',
  schema: shownSchema,
  run: async (context, { args, options }) => {
    const place = readRunAt(args['RUN@VERSION'])
    const taskId = options.task === undefined ? null : taskIdOf(options.task)
    const found = await loadAt(context, place)
    const { state, last, basis } = found
    return {
      ...{ runId: place.runId, version: state.version, commit: last, read: basis, nextAction: nextAction(state) },
      ...(taskId === null
        ? { state: stateJson(state), task: null }
        : { state: null, task: taskOf(state, taskId, place.runId) }),
    }
  },
  human: showPage,
})

async function loadAt(context: Context, place: RunPlace): Promise<RunAt> {
  const { log, snapshots, history } = await context.open()
  try {
    return await loadRunAt(stoppableLog(log, context.signal), place.runId, place.where, { snapshots, history })
  } catch (error) {
    throw isRepriseError(error, 'RUN_UNKNOWN') ? unknownRunAt(place, context.place) : error
  }
}

function taskOf(state: RunState, taskId: TaskId, runId: string): Shown['task'] {
  const [open, packed] = [state.tasks.get(taskId), state.settled.get(taskId)]
  if (open !== undefined) return { taskId, open: openTaskJson(open), settled: null }
  if (packed !== undefined) {
    return { taskId, open: null, settled: { outcome: settledOutcome(packed), depth: settledDepth(packed) } }
  }
  throw notFound(
    `There is no task ${taskId} in run ${runId} at version ${state.version}. Look for it with: reprise tasks ${runId}.`,
    { runId, taskId, version: state.version },
  )
}
