import type { RunEvent } from '../src/protocol/events.js'

/** An event in a few words: its type, and the part of its data that tells it from others of its type. */
export function describeEvent(event: RunEvent): string {
  return [event.type, ...essence(event)].join(' ')
}

function essence(event: RunEvent): (string | number)[] {
  switch (event.type) {
    case 'planned':
      return [event.data.taskId, event.data.attempt, event.data.why]
    case 'dispatched':
    case 'task-accepted':
    case 'attempt-expired':
      return [event.data.taskId, event.data.attempt]
    case 'task-rejected':
      return [event.data.taskId, event.data.attempt, `by ${event.data.by}`]
    case 'receipt-received':
      return [event.data.receipt.taskId, event.data.receipt.attempt]
    case 'receipt-rejected':
      return [event.data.gate]
    case 'task-cancelled':
    case 'task-abandoned':
      return [event.data.taskId]
    case 'spawn-refused':
      return [event.data.taskId, event.data.rule, `x${event.data.count}`]
    case 'mode-changed':
      return [event.data.from, event.data.to]
    case 'lock-acquired':
      return [event.data.holder.id, event.data.reason]
    case 'command-refused':
      return [event.data.command, event.data.code]
    case 'round-closed':
      return [event.data.round]
    default:
      return []
  }
}
