// A log as a real run leaves it: tasks are dispatched, answered and accepted in groups, with mode changes between.
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { policySchema } from '@reprise/core'
import { encodeCommit, genesisHash } from '@reprise/core/testing'
import { openPlace } from './place.mjs'

/** @typedef {{ events: number, group: number }} Shape `group`: tasks per commit */

/**
 * Writes a log of at least `events` events, all tasks settled. Returns what it holds.
 * @param {import('./place.mjs').Place} place @param {string} runId @param {Shape} shape
 */
export async function writeSampleLog(place, runId, shape) {
  const totals = { commits: 0, version: 0, tasks: 0 }
  const records = sampleRecords(runId, shape, totals)
  if (place.adapter === 'files') {
    // Not by appending: a sync per commit would take minutes for a million events.
    const path = logFile(place, runId)
    mkdirSync(dirname(path), { recursive: true })
    const file = openSync(path, 'w')
    for (const { text } of records) writeSync(file, `${text}\n`)
    closeSync(file)
    return totals
  }
  const adapter = await openPlace(place)
  for (const record of records) await adapter.log.append(/** @type {import('@reprise/core').RunId} */ (runId), record)
  await adapter.close()
  return totals
}

/** @param {import('./place.mjs').Folder} folder @param {string} runId */
const logFile = ({ dir }, runId) => join(dir, 'runs', runId, 'log.jsonl')

/** @param {string} runId @param {Shape} shape @param {{ commits: number, version: number, tasks: number }} totals counted here */
function* sampleRecords(runId, { events, group }, totals) {
  const holder = { id: 'coordinator:bench:1:0', host: 'bench', pid: 1 }
  const hex = 'ab'.repeat(32)
  const start = Date.now() - 60_000
  let prev = genesisHash
  /** @param {object[]} list */
  const commit = (list) => {
    const index = totals.commits++
    totals.version += list.length
    const at = new Date(start + index).toISOString()
    const header = { index, version: totals.version, epoch: 2, at, actor: holder.id, prev }
    const record = encodeCommit(
      header,
      list.map((event) => JSON.stringify(event)),
    )
    prev = record.hash
    return record
  }
  /** @param {string} type @param {object} data */
  const event = (type, data) => ({ type, v: 1, data })
  /** @param {string} from @param {string} to */
  const mode = (from, to) => event('mode-changed', { from, to, reason: 'there is nothing to do but wait' })
  const policy = policySchema.parse({ inFlightMax: 1_000_000, tasksMax: 10_000_000 })
  yield commit([
    event('run-opened', { runId, goal: 'measure', successCriteria: [], policy }),
    event('lock-acquired', { holder, reason: 'opened' }),
    mode('recovering', 'awaiting'),
  ])
  const deadlineAt = new Date(Date.now() + 3_600_000).toISOString()
  /** @param {number} n */
  const ids = (n) => Array.from({ length: n }, () => `task-${String(totals.tasks++).padStart(8, '0')}`)
  /** @param {string} taskId */
  const dispatched = (taskId) =>
    event('dispatched', {
      ...{ taskId, attempt: 1, deadlineAt, digest: hex },
      task: {
        taskId,
        kind: 'bench',
        input: { path: `src/${taskId}.ts` },
        lane: 'default',
        priority: 5,
        after: [],
        depth: 0,
      },
    })
  /** @param {string} taskId */
  const receipt = (taskId) => ({
    ...{ v: 1, receiptId: `r-${taskId}`, runId, taskId, attempt: 1, epoch: 2, dispatchDigest: hex },
    worker: { id: 'worker-1', host: 'bench', pid: 2 },
    ...{ status: 'completed', output: { lines: 1234 }, artifacts: [], usage: { durationMs: 3 } },
    ...{ startedAt: deadlineAt, finishedAt: deadlineAt, checksum: hex },
  })
  while (totals.version < events) {
    const batch = ids(group)
    yield commit([mode('awaiting', 'dispatching'), ...batch.map(dispatched), mode('dispatching', 'awaiting')])
    yield commit([
      ...batch.map((id, i) => ({
        ...event('receipt-received', { receipt: receipt(id), verified: { artifacts: 0, bytes: 0 } }),
        cause: { sender: 'worker-1.a', seq: totals.tasks - batch.length + i + 1 },
      })),
      mode('awaiting', 'evaluating'),
    ])
    yield commit([
      ...batch.map((taskId) => event('task-accepted', { taskId, attempt: 1 })),
      mode('evaluating', 'awaiting'),
    ])
  }
}
