import type { z } from 'zod'
import { RepriseError } from '../protocol/errors.js'
import { kindSchema } from '../protocol/ids.js'
import type { TaskRequest } from '../protocol/task.js'
import { readTime, type TimeInput } from '../protocol/time.js'
import { describeIssues } from './describe-issues.js'
import type { PartialResult, TaskContext } from './task-context.js'

/** What a caller may say about a task besides its id and input. */
export interface TaskOptions extends Omit<TaskRequest, 'taskId' | 'kind' | 'input' | 'notBefore'> {
  /** Not dispatched before this time. */
  readonly notBefore?: TimeInput
}

/** What a worker runs for one kind of task. Made by `TaskDefinition.handle`. */
export interface TaskHandler {
  readonly kind: string
  /** Checks the input; `run` then calls the handler with it, and rejects as the handler does. */
  prepare(input: unknown): { readonly issues: string } | { readonly run: (task: TaskContext) => unknown }
  outputIssues(output: unknown): string | null
}

/** A kind of task, with the form of what goes in and what comes out. */
export interface TaskDefinition<Input extends z.ZodType, Output extends z.ZodType> {
  readonly kind: string
  /** A request for `run.dispatch` or `task.spawn`. `INVALID_INPUT` if the input does not fit the schema. */
  task(taskId: string, input: z.input<Input>, options?: TaskOptions): TaskRequest
  /**
   * A handler for `startWorker`. It gets what the input schema makes of the input, and returns what the output
   * schema takes: schemas run on both sides of the wire, and what travels is what was put in.
   */
  handle(
    handler: (
      input: z.output<Input>,
      task: TaskContext,
    ) => Returned<z.input<Output>> | Promise<Returned<z.input<Output>>>,
  ): TaskHandler
  /** What the output schema makes of a receipt's output. `INVALID_INPUT` if it does not fit. */
  parseOutput(value: unknown): z.output<Output>
  /** What is wrong with an output, or `null`. */
  outputIssues(value: unknown): string | null
}

type Returned<Output> = Output | PartialResult<Output>

/**
 * Names a kind of task and the zod schemas of its input and output, shared by those who ask and those who work.
 * Schemas must be synchronous; input and output must be JSON. `INVALID_INPUT` for a kind that is no plain name.
 */
export function defineTask<Input extends z.ZodType, Output extends z.ZodType>(
  kind: string,
  schemas: { readonly input: Input; readonly output: Output },
): TaskDefinition<Input, Output> {
  const named = kindSchema.safeParse(kind)
  if (!named.success) {
    throw new RepriseError(
      'INVALID_INPUT',
      `The task kind ${JSON.stringify(kind)} is refused: ${describeIssues(named.error)}.`,
    )
  }
  const outputIssues = (value: unknown): string | null => {
    const parsed = schemas.output.safeParse(value)
    return parsed.success ? null : describeIssues(parsed.error)
  }
  return {
    kind,
    outputIssues,
    task(taskId, input, options = {}) {
      const parsed = schemas.input.safeParse(input)
      if (!parsed.success) {
        const issues = describeIssues(parsed.error)
        throw new RepriseError(
          'INVALID_INPUT',
          `The input of task ${JSON.stringify(taskId)} (kind ${kind}) does not fit its schema: ${issues}. Nothing was dispatched.`,
          { details: { taskId, kind, issues } },
        )
      }
      const { notBefore, ...rest } = options
      return {
        taskId,
        kind,
        input,
        ...rest,
        ...(notBefore !== undefined && { notBefore: startTime(taskId, notBefore) }),
      }
    },
    handle: (handler) => ({
      kind,
      outputIssues,
      prepare(input) {
        const parsed = schemas.input.safeParse(input)
        return parsed.success ? { run: (task) => handler(parsed.data, task) } : { issues: describeIssues(parsed.error) }
      },
    }),
    parseOutput(value) {
      const parsed = schemas.output.safeParse(value)
      if (parsed.success) return parsed.data
      const issues = describeIssues(parsed.error)
      throw new RepriseError(
        'INVALID_INPUT',
        `The output of a task of kind ${kind} does not fit its schema: ${issues}.`,
        {
          details: { kind, issues },
        },
      )
    },
  }
}

function startTime(taskId: string, notBefore: TimeInput): string {
  const time = readTime(notBefore)
  if (time !== null) return time
  throw new RepriseError(
    'INVALID_INPUT',
    `notBefore of task ${JSON.stringify(taskId)} is not a time. Pass a Date, or an ISO 8601 string with its zone such as 2030-01-31T09:00:00Z.`,
    { details: { taskId } },
  )
}
