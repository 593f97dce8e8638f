import { RepriseError } from '../protocol/errors.js'
import { kindSchema } from '../protocol/ids.js'
import type { JsonValue } from '../protocol/json.js'
import { limits } from '../protocol/limits.js'
import { oneLine } from '../protocol/one-line.js'
import { leftFiles, removeLeft } from '../runtime/left-files.js'
import { OutputTail } from '../runtime/output-tail.js'
import { ownProgramHome } from '../runtime/program-home.js'
import { inheritedEnvironment, signalIn } from '../runtime/program-surroundings.js'
import { endWords } from '../runtime/run-program.js'
import { startProgram } from '../runtime/start-program.js'
import { AttemptFailure } from './attempt-failure.js'
import type { TaskHandler } from './define-task.js'
import { describeIssues } from './describe-issues.js'
import { judgeProgram, type ProgramFacts, type ProgramVerdict } from './program-result.js'
import { taskEnvironment, taskText } from './program-task.js'
import { ResultLines } from './result-lines.js'
import type { TaskContext } from './task-context.js'

export interface ProgramOptions {
  /** The program and its arguments. No shell reads them; for one: `['sh', '-c', text]`. */
  readonly command: readonly string[]
  /** Default: where this process is. */
  readonly cwd?: string
  /** Added to this process's environment, of which nothing named `REPRISE_…` is handed down. */
  readonly env?: Readonly<Record<string, string>>
  /** What the program may take, beside the deadline of the attempt. Milliseconds. */
  readonly timeoutMs?: number
  /** From SIGTERM to SIGKILL. Milliseconds, default 5,000. */
  readonly killAfterMs?: number
  /** Keeps the end of both outputs as artifacts of completed attempts too, not only of failed ones. */
  readonly keepOutput?: boolean
  /** Takes lines `{"progress": …}` on standard output as progress. */
  readonly progress?: boolean
}

/** Of each output of a program so much of the end is kept. Bytes. */
const outputKept = 64 * 1024
/** Of that, so much goes into the message of a failure. Characters. */
const saidMax = 2_048

/**
 * A handler for `startWorker` that runs a program for each task of a kind: the task as JSON on its standard input and in
 * `REPRISE_…` of its environment, files that it leaves in the folder `REPRISE_ARTIFACTS` as artifacts, its exit code and a
 * line of JSON on standard output (`ProgramResult`) as the result. When nobody wants the result any more, it and all that it
 * has started get SIGTERM, then SIGKILL; also when this process was killed. `INVALID_INPUT` for options not as documented.
 */
export function programHandler(kind: string, options: ProgramOptions): TaskHandler {
  const named = kindSchema.safeParse(kind)
  if (!named.success) throw invalid(`the task kind ${JSON.stringify(kind)} is refused: ${describeIssues(named.error)}`)
  const [program = ''] = options.command
  if (program === '') throw invalid('command must name a program: [program, ...arguments]')
  for (const name of ['timeoutMs', 'killAfterMs'] as const) {
    const value = options[name]
    // Longer timers would fire at once.
    if (value !== undefined && !(value >= 0 && value < 2 ** 31)) throw invalid(`${name} must be 0 to 2147483647`)
  }
  return {
    kind,
    outputIssues: () => null,
    prepare: (input) => ({ run: (task) => runTask(kind, input as JsonValue, task, options) }),
  }
}

async function runTask(kind: string, input: JsonValue, task: TaskContext, options: ProgramOptions): Promise<unknown> {
  const { command, cwd, env, timeoutMs, killAfterMs = 5_000, keepOutput = false, progress = false } = options
  const home = ownProgramHome()
  const folder = await home.makeFolder()
  const [stdout, stderr] = [new OutputTail(outputKept), new OutputTail(outputKept)]
  const lines = new ResultLines((value) => {
    if (progress) tellProgress(task, value)
  })
  const limit = signalIn(timeoutMs, task.signal)
  try {
    task.signal.throwIfAborted()
    const end = await startProgram({
      ...{ command, killAfterMs, signal: limit.signal, guard: home, killsLeftovers: true },
      ...(cwd !== undefined && { cwd }),
      env: { ...inheritedEnvironment(), ...env, ...taskEnvironment(kind, input, task), REPRISE_ARTIFACTS: folder },
      input: taskText(kind, input, task),
      onOutput: (name, chunk) => {
        const tail = name === 'stdout' ? stdout : stderr
        tail.push(chunk)
        if (name === 'stdout') lines.push(chunk)
      },
    })
    // Nobody wants to know.
    task.signal.throwIfAborted()
    const late = limit.passed() ? ` after it was told to stop: it may take ${timeoutMs} ms` : ''
    const verdict = judgeProgram({
      endWords: endWords(end) + late,
      exitCode: end.by !== 'exit' || limit.passed() ? null : end.code,
      found: lines.end(),
      said: oneLine(stderr.text().trim().slice(-saidMax), saidMax),
    } satisfies ProgramFacts)
    return await answer(task, verdict, { folder, keepOutput, stdout, stderr })
  } finally {
    limit.release()
    await removeLeft(folder)
  }
}

interface Left {
  readonly folder: string
  readonly keepOutput: boolean
  readonly stdout: OutputTail
  readonly stderr: OutputTail
}

/** Puts together what the program has left, and returns or throws what stands for its end. */
async function answer(task: TaskContext, verdict: ProgramVerdict, left: Left): Promise<unknown> {
  const names = new Set<string>()
  let trouble: unknown
  try {
    for (const { name, chunks } of await leftFiles(left.folder, limits.artifactsMax)) {
      await task.artifact(name, chunks)
      names.add(name)
    }
  } catch (error) {
    trouble = error
  }
  const isFailed = verdict.status === 'failed' || trouble !== undefined
  if (isFailed || left.keepOutput) {
    const keeping = [keepEnd(task, 'stdout.txt', left.stdout, names), keepEnd(task, 'stderr.txt', left.stderr, names)]
    // It must not hide why the attempt failed.
    if (isFailed) await Promise.allSettled(keeping)
    else await Promise.all(keeping)
  }
  task.usage(verdict.usage)
  if (verdict.status === 'failed') {
    const files = trouble === undefined ? '' : ` Not all its files were kept: ${messageOf(trouble)}`
    throw new AttemptFailure(`${verdict.stop.message}${files}`, verdict.stop)
  }
  if (trouble !== undefined) throw trouble
  for (const request of verdict.spawn ?? []) task.spawn(request)
  return verdict.status === 'partial' ? task.partial(verdict.output, verdict.stop) : verdict.output
}

async function keepEnd(task: TaskContext, name: string, tail: OutputTail, taken: ReadonlySet<string>): Promise<void> {
  const { dropped } = tail
  const bytes = tail.bytes()
  if (bytes.length === 0 || taken.has(name)) return
  const before = dropped === 0 ? '' : `[${dropped} bytes before this were not kept]\n`
  await task.artifact(name, Buffer.concat([Buffer.from(before), bytes]), { mediaType: 'text/plain' })
}

/** What is too large to be shown is not shown. */
function tellProgress(task: TaskContext, value: unknown): void {
  try {
    task.progress(value)
  } catch (error) {
    if (!(error instanceof RepriseError)) throw error
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const invalid = (why: string): RepriseError =>
  new RepriseError('INVALID_INPUT', `programHandler was called with something else than documented: ${why}.`)
