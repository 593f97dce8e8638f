// What happened, counted from the log alone: no process is asked, and nothing is remembered from the run.
import { readCommits } from '@reprise/core'
import { measureFile, runId } from './tasks.mjs'

/** @typedef {import('@reprise/core').Receipt} Receipt */
/** @typedef {{ acceptances: number, abandoned: string | null, receipt: Receipt | null }} TaskRecord `receipt`: the newest */

/**
 * @param {import('@reprise/core').Adapter['log']} log
 * @param {number} commits that verify; nothing after them is counted
 */
export async function auditLog(log, commits) {
  const audit = {
    /** @type {Map<string, TaskRecord>} */
    tasks: new Map(),
    attempts: 0,
    retries: 0,
    /** Attempts that were out when a coordinator took the run up again. */
    offeredAgain: 0,
    /** Accepted attempts that a dead worker had had in its hands before. */
    takenOver: 0,
    /** Receipts that changed nothing, by the gate that they did not pass. */
    /** @type {Map<string, number>} */
    rejectedReceipts: new Map(),
    /** Per epoch, that is per coordinator: the time of the first commit in which it accepted something. */
    /** @type {Map<number, number>} */
    firstAcceptance: new Map(),
  }
  const recordOf = (/** @type {string} */ taskId) => {
    const record = audit.tasks.get(taskId) ?? { acceptances: 0, abandoned: null, receipt: null }
    audit.tasks.set(taskId, record)
    return record
  }
  if (commits === 0) return audit
  for await (const { index, epoch, at, events } of readCommits(log, runId)) {
    for (const { type, data } of events) {
      if (type === 'planned') recordOf(data.taskId)
      else if (type === 'dispatched') {
        recordOf(data.taskId)
        audit.attempts++
        if (data.attempt > 1) audit.retries++
      } else if (type === 'resumed') audit.offeredAgain += data.redelivered
      else if (type === 'receipt-received') recordOf(data.receipt.taskId).receipt = data.receipt
      else if (type === 'receipt-rejected')
        audit.rejectedReceipts.set(data.gate, (audit.rejectedReceipts.get(data.gate) ?? 0) + 1)
      else if (type === 'task-abandoned') recordOf(data.taskId).abandoned = data.reason
      else if (type === 'task-accepted') {
        const record = recordOf(data.taskId)
        record.acceptances++
        if (deliveriesOf(record.receipt) > 1) audit.takenOver++
        if (!audit.firstAcceptance.has(epoch)) audit.firstAcceptance.set(epoch, Date.parse(at))
      }
    }
    if (index + 1 === commits) break
  }
  return audit
}
/** @typedef {Awaited<ReturnType<typeof auditLog>>} Audit */

/** @param {Receipt | null} receipt */
function deliveriesOf(receipt) {
  const output = receipt?.output ?? null
  return measureFile.outputIssues(output) === null ? measureFile.parseOutput(output).deliveries : 1
}

/** Each task was either accepted once or abandoned, and never both. @param {Audit} audit @param {readonly { taskId: string }[]} expected */
export function onceProblems({ tasks }, expected) {
  /** @type {string[]} */
  const problems = []
  for (const { taskId } of expected) if (!tasks.has(taskId)) problems.push(`${taskId} is not in the log`)
  for (const [taskId, { acceptances, abandoned }] of tasks) {
    const expectedCount = abandoned === null ? 1 : 0
    if (acceptances !== expectedCount)
      problems.push(`${taskId} was accepted ${acceptances} times${abandoned === null ? '' : ' and abandoned'}`)
  }
  return problems
}
