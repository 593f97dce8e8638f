// A log as a real run leaves it: tasks are dispatched, answered and accepted in groups, with mode changes between.
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { policySchema } from '@reprise/core'
import { encodeCommit, genesisHash } from '@reprise/core/testing'

/**
 * Writes a log of at least `events` events to `path`; the newest `open` tasks stay out. Returns what it holds.
 * @param {string} path @param {string} runId
 * @param {{ events: number, group: number, open?: number }} shape `group`: tasks per commit
 */
export function writeSampleLog(path, runId, { events, group, open = 0 }) {
  mkdirSync(dirname(path), { recursive: true })
  const file = openSync(path, 'w')
  const holder = { id: 'coordinator:bench:1:0', host: 'bench', pid: 1 }
  const hex = 'ab'.repeat(32)
  const start = Date.now() - 60_000
  let [index, version, prev, tasks, commits] = [0, 0, genesisHash, 0, 0]
  /** @param {object[]} list */
  const commit = (list) => {
    version += list.length
    const at = new Date(start + index).toISOString()
    const header = { index, version, epoch: 2, at, actor: holder.id, prev }
    const record = encodeCommit(
      header,
      list.map((event) => JSON.stringify(event)),
    )
    writeSync(file, `${record.text}\n`)
    prev = record.hash
    index++
    commits++
  }
  /** @param {string} type @param {object} data */
  const event = (type, data) => ({ type, v: 1, data })
  /** @param {string} from @param {string} to */
  const mode = (from, to) => event('mode-changed', { from, to, reason: 'there is nothing to do but wait' })
  const policy = policySchema.parse({ inFlightMax: 1_000_000, tasksMax: 10_000_000 })
  commit([
    event('run-opened', { runId, goal: 'measure', successCriteria: [], policy }),
    event('lock-acquired', { holder, reason: 'opened' }),
    mode('recovering', 'awaiting'),
  ])
  const deadlineAt = new Date(Date.now() + 3_600_000).toISOString()
  /** @param {number} n */
  const ids = (n) => Array.from({ length: n }, () => `task-${String(tasks++).padStart(8, '0')}`)
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
  while (version < events) {
    const batch = ids(group)
    commit([mode('awaiting', 'dispatching'), ...batch.map(dispatched), mode('dispatching', 'awaiting')])
    commit([
      ...batch.map((id, i) => ({
        ...event('receipt-received', { receipt: receipt(id), verified: { artifacts: 0, bytes: 0 } }),
        cause: { sender: 'worker-1.a', seq: tasks - batch.length + i + 1 },
      })),
      mode('awaiting', 'evaluating'),
    ])
    commit([...batch.map((taskId) => event('task-accepted', { taskId, attempt: 1 })), mode('evaluating', 'awaiting')])
  }
  for (let left = open; left > 0; left -= 500) commit(ids(Math.min(left, 500)).map(dispatched))
  closeSync(file)
  return { commits, version, tasks, settled: tasks - open }
}
