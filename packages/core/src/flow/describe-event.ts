import type { RunEvent } from '../protocol/events.js'

/** One event as one line of plain English, without its version. Texts in it come from outside: escape them to show them. */
export function describeEvent(event: RunEvent): string {
  switch (event.type) {
    case 'run-opened':
      return `run ${event.data.runId} was opened: ${event.data.goal}`
    case 'run-completed':
      return `the run is complete: ${event.data.summary}`
    case 'run-failed':
      return `the run failed: ${event.data.reason}`
    case 'run-forked': {
      const { runId, from } = event.data
      return `run ${runId} goes on from here: forked from ${from.runId}@${from.version}`
    }
    case 'round-closed':
      return `round ${event.data.round} closed: ${event.data.summary}`
    case 'lock-acquired': {
      const { holder, reason, takenFrom } = event.data
      return `${holder.id} took the run (${reason}${takenFrom === undefined ? '' : `, from ${takenFrom.id}`})`
    }
    case 'lock-released':
      return `the lock was released: ${event.data.reason}`
    case 'mode-changed':
      return `mode ${event.data.from} became ${event.data.to}: ${event.data.reason}`
    case 'resumed': {
      const failed = event.data.gates.find((gate) => !gate.pass)
      const { corrections, redelivered } = event.data
      const corrected = corrections.length === 0 ? '' : `; corrected: ${corrections.join('; ')}`
      return failed === undefined
        ? `resumed: every gate passed, ${redelivered} attempts offered again${corrected}`
        : `resume stopped at gate ${failed.gate}: ${failed.evidence}`
    }
    case 'planned':
      return `task ${event.data.taskId} is planned, attempt ${event.data.attempt} (${event.data.why}${event.data.reason === undefined ? '' : `: ${event.data.reason}`})`
    case 'dispatched':
      return `task ${event.data.taskId} went out, attempt ${event.data.attempt}, due ${event.data.deadlineAt}`
    case 'receipt-received': {
      const { taskId, attempt, status, worker } = event.data.receipt
      return `a receipt came for task ${taskId}, attempt ${attempt}, from ${worker.id}: ${status}`
    }
    case 'receipt-rejected':
      return `a receipt was refused at gate ${event.data.gate}${event.data.taskId === undefined ? '' : ` (task ${event.data.taskId})`}: ${event.data.evidence}`
    case 'task-accepted':
      return `task ${event.data.taskId} was accepted, attempt ${event.data.attempt}`
    case 'task-rejected':
      return `attempt ${event.data.attempt} of task ${event.data.taskId} was rejected: ${event.data.reason}`
    case 'attempt-expired':
      return `attempt ${event.data.attempt} of task ${event.data.taskId} expired: no receipt by ${event.data.deadlineAt}`
    case 'task-cancelled':
      return `task ${event.data.taskId} was cancelled: ${event.data.reason}`
    case 'task-abandoned':
      return `task ${event.data.taskId} was abandoned: ${event.data.reason}`
    case 'spawn-refused': {
      const { taskId, rule, limit, value, count } = event.data
      return `task ${taskId}${count > 1 ? ` and ${count - 1} more` : ''} was kept out: ${rule} is ${limit}, the run stands at ${value}`
    }
    case 'paused':
      return `paused: ${event.data.reason}`
    case 'unpaused':
      return `unpaused: ${event.data.reason}`
    case 'blocked':
      return `blocked: ${event.data.reason}`
    case 'unblocked':
      return `unblocked: ${event.data.reason}`
    case 'checkpoint-set':
      return `the next checkpoint is ${event.data.dueAt}: ${event.data.note}`
    case 'criterion-met':
      return `success criterion ${event.data.criterion} is met: ${event.data.evidence}`
    case 'criterion-reopened':
      return `success criterion ${event.data.criterion} is open again: ${event.data.reason}`
    case 'note-added':
      return `note: ${event.data.text}`
    case 'command-refused':
      return `the command ${event.data.command} was refused (${event.data.code}): ${event.data.message}`
  }
}
