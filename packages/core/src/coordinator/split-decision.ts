import { type Decided, type Decision, refuse } from '../flow/decision.js'
import type { Cause, RunEvent } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import { limits } from '../protocol/limits.js'

/** Room for the events of a commit, each with its separator: everything else has 2 KiB. */
export const eventBytesMax = limits.commitBytesMax - 2048

/** Events up to `end` that go into one commit, and what their texts and separators take there. */
export interface DecisionPart {
  readonly end: number
  readonly bytes: number
}

/**
 * Cuts the events of a decision that is larger than a commit into parts of at most `bytesMax`. Events that only make
 * sense together stay together; three of them at most, which the limits keep well below one commit.
 */
export function splitDecision(
  events: readonly RunEvent[],
  texts: readonly string[],
  bytesMax: number,
): readonly DecisionPart[] {
  const parts: DecisionPart[] = []
  let bytes = 0
  let end = 0
  while (end < events.length) {
    const start = end
    let together = 0
    do together += Buffer.byteLength(texts[end++] as string) + 1
    while (end < events.length && follows(events[end - 1] as RunEvent, events[end] as RunEvent))
    if (bytes > 0 && bytes + together > bytesMax) {
      parts.push({ end: start, bytes })
      bytes = 0
    }
    bytes += together
  }
  parts.push({ end, bytes })
  return parts
}

/** Whether a log that ends between the two would leave a task without what the decision was about to do with it. */
function follows(before: RunEvent, event: RunEvent): boolean {
  if (event.type === 'task-rejected') {
    return before.type === 'receipt-received' && before.data.receipt.taskId === event.data.taskId
  }
  if (event.type !== 'planned') return false
  const stops = before.type === 'attempt-expired' || before.type === 'task-rejected'
  return stops && before.data.taskId === event.data.taskId
}

/** A decision that must stand in one commit, or the refusal of one that cannot. */
export function withinOneCommit(decision: Decided, runId: RunId, cause?: Cause): Decision {
  let bytes = 0
  for (const event of cause === undefined ? decision.events : withCause(decision.events, cause)) {
    bytes += Buffer.byteLength(JSON.stringify(event)) + 1
  }
  if (bytes <= eventBytesMax) return decision
  return refuse(
    'TOO_LARGE',
    `The round of run ${runId} has ${decision.events.length} events with ${bytes} bytes, and a commit holds ${eventBytesMax}. Nothing was recorded. Ask for less in one round: dispatch fewer tasks, or put large inputs into artifacts.`,
    { bytes, bytesMax: eventBytesMax, events: decision.events.length },
  )
}

/** Only the last one says that the message is decided: a redelivery after a crash in between must go on, not end. */
export function withCause(events: readonly RunEvent[], cause: Cause): RunEvent[] {
  const unfinished: Cause = { ...cause, more: true }
  const last = events.length - 1
  return events.map((event, i) => ({ ...event, cause: i === last ? cause : unfinished }))
}
