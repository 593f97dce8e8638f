import type { RunEvent } from '../protocol/events.js'

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
