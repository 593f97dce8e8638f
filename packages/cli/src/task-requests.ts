import { isRepriseError, type TaskRequest } from '@reprise/core'
import type { Context, OptionSpec, OptionsOf } from './command.js'
import { usage } from './command-failure.js'
import { lengthOfTime, timeOf } from './read-durations.js'
import { jsonValue, linesOf } from './read-json.js'
import { required } from './read-required.js'
import { taskIdOf, wholeNumber } from './read-values.js'

/** So many tasks make one command, and one message. */
const batchMax = 500
const batchBytesMax = 256 * 1024

/** Everything about a task that is dispatched, or where many of them stand. */
export const taskOptions = {
  kind: { says: 'which handler of the workers does it (required without --from)', value: 'KIND' },
  input: { says: 'what it works on: JSON, @FILE with JSON, or - for standard input; default null', value: 'JSON' },
  lane: { says: 'which workers may have it (default: default)', value: 'LANE' },
  priority: { says: '0 to 9, higher first (default 5)', value: 'N' },
  after: { says: 'a task that must be accepted before', value: 'TASK', many: true, what: 'task' },
  'not-before': { says: 'not before this time, or so long from now: +2h', value: 'TIME' },
  deadline: { says: 'how long one attempt may take, such as 15min', value: 'LENGTH' },
  attempts: { says: 'how often it is tried at most', value: 'N' },
  owner: { says: 'who answers for it, for people who read', value: 'NAME' },
  returns: { says: 'what must be back for it to count as done, for people who read', value: 'TEXT' },
  parent: { says: 'the task that asked for it', value: 'TASK', what: 'task' },
  trace: { says: 'ties tasks of several runs together', value: 'ID' },
  from: { says: 'dispatch many: a file, or -, with one task per line, as JSON', value: 'FILE', what: 'file' },
} as const satisfies Record<string, OptionSpec>

type Given = OptionsOf<typeof taskOptions>

interface Batch {
  readonly tasks: readonly TaskRequest[]
  /** Of the i-th task; `null`: it was not read from lines. */
  readonly lineOf: (i: number) => number | null
  readonly source: string
}

/** The tasks that a command line asks for, in batches. */
export const taskBatches = (context: Context, taskId: string | undefined, given: Given): AsyncGenerator<Batch> =>
  given.from === undefined ? one(context, taskId, given) : many(context, taskId, given, given.from)

async function* one(context: Context, taskId: string | undefined, given: Given): AsyncGenerator<Batch> {
  const { lane, owner, returns } = given
  const task: TaskRequest = {
    taskId: taskIdOf(required(taskId, 'TASK')),
    kind: required(given.kind, '--kind'),
    input: given.input === undefined ? null : await jsonValue(context, given.input, '--input'),
    after: given.after.map(taskIdOf),
    ...(lane !== undefined && { lane }),
    ...(owner !== undefined && { owner }),
    ...(returns !== undefined && { returns }),
    ...(given.trace !== undefined && { traceId: given.trace }),
    ...(given.priority !== undefined && { priority: wholeNumber(given.priority, '--priority', 0, 9) }),
    ...(given.attempts !== undefined && { attemptsMax: wholeNumber(given.attempts, '--attempts', 1, 1_000) }),
    ...(given.deadline !== undefined && { timeoutMs: lengthOfTime(given.deadline, '--deadline') }),
    ...(given['not-before'] !== undefined && { notBefore: timeOf(given['not-before'], '--not-before') }),
    ...(given.parent !== undefined && { parent: taskIdOf(given.parent) }),
  }
  yield { tasks: [task], lineOf: () => null, source: '' }
}

const single = [
  ...(['kind', 'input', 'lane', 'priority', 'not-before', 'deadline', 'attempts', 'owner', 'returns'] as const),
  ...(['parent', 'trace'] as const),
]

async function* many(context: Context, taskId: string | undefined, given: Given, file: string): AsyncGenerator<Batch> {
  const extra = taskId !== undefined ? 'TASK' : single.find((name) => given[name] !== undefined)
  if (extra !== undefined || given.after.length > 0) {
    throw usage(`With --from, everything about a task stands in its line: leave ${extra ?? 'after'} out.`)
  }
  const source = file === '-' ? 'standard input' : file
  for await (const { first, lines } of linesOf(context, file)) {
    let [tasks, numbers, bytes]: [TaskRequest[], number[], number] = [[], [], 0]
    const batch = (): Batch => {
      const of = numbers
      const ready = { tasks, lineOf: (i: number) => of[i] ?? null, source }
      ;[tasks, numbers, bytes] = [[], [], 0]
      return ready
    }
    for (const [i, line] of lines.entries()) {
      if (line.trim() === '') continue
      const task = taskOf(line, first + i, source)
      if (tasks.length > 0 && (tasks.length === batchMax || bytes + line.length > batchBytesMax)) yield batch()
      tasks.push(task)
      numbers.push(first + i)
      bytes += line.length
    }
    if (tasks.length > 0) yield batch()
  }
}

function taskOf(line: string, number: number, source: string): TaskRequest {
  try {
    // What it must be is checked by whoever takes it in.
    return JSON.parse(line) as TaskRequest
  } catch (error) {
    throw usage(`Line ${number} of ${source} is not JSON: ${(error as Error).message}. ${before}`)
  }
}

const before = 'Batches before it were taken in; mend it and give the same again: what is in stays as it is.'

/** A task is told by its line. */
export function naming(error: unknown, lineOf: (i: number) => number | null, source: string): unknown {
  if (!isRepriseError(error, 'INVALID_INPUT')) return error
  const [part, i, ...rest] = (error.details.path ?? []) as string[]
  const line = part === 'tasks' ? lineOf(Number(i)) : null
  if (line === null) return error
  const what = error.message.replace(/^.*?is invalid at [^:]*: /, '').replace(/ Nothing was recorded\.$/, '')
  return usage(`Line ${line} of ${source} is no task: ${rest.join('.') || 'it'}: ${what} ${before}`)
}
