import { canonicalJson, type JsonValue } from '../protocol/json.js'
import type { TaskContext } from './task-context.js'

/** Longer inputs stand on standard input only: systems limit an environment. Bytes of JSON. */
const inputBytesMax = 16 * 1024

/** What a program reads on standard input: one line of JSON. */
export function taskText(kind: string, input: JsonValue, task: TaskContext): string {
  const { runId, taskId, attempt, deliveries, deadlineAt, parent, depth, traceId } = task
  return `${JSON.stringify({ runId, taskId, attempt, deliveries, kind, deadlineAt, parent, depth, traceId, input })}\n`
}

/** The same for programs that are scripts. */
export function taskEnvironment(kind: string, input: JsonValue, task: TaskContext): Record<string, string> {
  const inputText = canonicalJson(input)
  return {
    REPRISE_RUN: task.runId,
    REPRISE_TASK: task.taskId,
    REPRISE_ATTEMPT: String(task.attempt),
    REPRISE_DELIVERIES: String(task.deliveries),
    REPRISE_KIND: kind,
    REPRISE_DEADLINE: task.deadlineAt,
    REPRISE_DEPTH: String(task.depth),
    REPRISE_TRACE_ID: task.traceId,
    ...(task.parent !== null && { REPRISE_PARENT: task.parent }),
    ...(Buffer.byteLength(inputText) <= inputBytesMax && { REPRISE_INPUT: inputText }),
  }
}
