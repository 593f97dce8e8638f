import { readFile } from 'node:fs/promises'
import { openFiles } from '@reprise/adapter-fs'
import { type RunId, runIdSchema } from '@reprise/core'
import { encodeCommit, genesisHash } from '@reprise/core/testing'

export const goldenRun: RunId = runIdSchema.parse('run-1')

/** A folder with a golden log of the library in it: its times are fixed. */
export async function putGoldenLog(dir: string, name = 'v1-criteria'): Promise<void> {
  const file = new URL(`../../core/test/golden-logs/${name}.jsonl`, import.meta.url)
  await putLines(dir, goldenRun, (await readFile(file, 'utf8')).trimEnd().split('\n'))
}

export async function putLines(dir: string, runId: RunId, lines: readonly string[]): Promise<void> {
  const adapter = await openFiles({ dir })
  try {
    for (const text of lines) {
      const { hash, commit } = JSON.parse(text)
      await adapter.log.append(runId, { index: commit.index, hash, text })
    }
  } finally {
    await adapter.close()
  }
}

/** Texts of a drawn run that come from outside. */
export interface Names {
  readonly worker: (i: number) => string
  readonly task: (i: number) => string
  readonly text: string
}

export const plainNames: Names = { worker: (i) => `worker-${i}`, task: (i) => `task-${i}`, text: 'because' }

const startMs = Date.UTC(2026, 0, 1, 12)
const at = (ms: number): string => new Date(startMs + ms).toISOString()

/**
 * A log with one of everything that a timeline draws, at fixed times: three workers, a task that is tried twice, one that
 * nobody answers, one that is cancelled, one that is still out; a take-over and a pause. With a right hash chain, but with any
 * names: also such as the library would never have let in.
 */
export function drawnRun({ worker, task, text }: Names = plainNames): string[] {
  const lines: string[] = []
  let [head, version, epoch] = [genesisHash, 0, 0]
  const commit = (ms: number, ...events: [type: string, data: object][]) => {
    const texts = events.map(([type, data]) => JSON.stringify({ type, v: 1, data }))
    for (const [i, [type]] of events.entries()) if (type === 'lock-acquired') epoch = version + i + 1
    version += events.length
    const header = { index: lines.length, version, epoch, at: at(ms), actor: text, prev: head }
    const record = encodeCommit(header, texts)
    head = record.hash
    lines.push(record.text)
  }
  const spec = (i: number) => ({
    taskId: task(i),
    kind: text,
    lane: text,
    owner: text,
    input: null,
    priority: 5,
    after: [],
    depth: 0,
  })
  const dispatched = (i: number, attempt = 1): [string, object] => [
    'dispatched',
    {
      taskId: task(i),
      attempt,
      deadlineAt: at(60_000),
      digest: 'd'.repeat(64),
      ...(attempt === 1 && { task: spec(i) }),
    },
  ]
  const received = (i: number, w: number, startedMs: number, finishedMs: number, attempt = 1): [string, object] => [
    'receipt-received',
    {
      receipt: {
        ...{
          v: 1,
          receiptId: `r-${i}-${attempt}`,
          runId: goldenRun,
          taskId: task(i),
          attempt,
          epoch,
          dispatchDigest: '',
        },
        ...{
          worker: { id: worker(w), host: text, pid: 1 },
          status: 'completed',
          output: text,
          artifacts: [],
          checksum: '',
        },
        usage: { tokens: 10, costUsd: 0.5, durationMs: finishedMs - startedMs },
        ...{ startedAt: at(startedMs), finishedAt: at(finishedMs) },
      },
      verified: { artifacts: 0, bytes: 0 },
    },
  ]
  const accepted = (i: number): [string, object] => ['task-accepted', { taskId: task(i), attempt: 1 }]
  const mode = (from: string, to: string): [string, object] => ['mode-changed', { from, to, reason: text }]
  const lock = (id: string, reason: string): [string, object] => [
    'lock-acquired',
    { holder: { id, host: text, pid: 1 }, reason },
  ]

  commit(
    0,
    ['run-opened', { runId: goldenRun, goal: text, successCriteria: [text], policy: {} }],
    lock(`${text}-a`, 'opened'),
  )
  commit(50, ['resumed', { gates: [], corrections: [text], redelivered: 0 }], mode('recovering', 'dispatching'))
  commit(
    100,
    dispatched(1),
    dispatched(2),
    dispatched(3),
    dispatched(4),
    dispatched(5),
    mode('dispatching', 'awaiting'),
  )
  commit(4_000, received(1, 1, 500, 3_900), mode('awaiting', 'evaluating'))
  commit(4_500, accepted(1), mode('evaluating', 'awaiting'))
  commit(5_000, received(2, 2, 600, 4_900), [
    'task-rejected',
    { taskId: task(2), attempt: 1, reason: text, by: 'evaluator' },
  ])
  commit(5_100, dispatched(2, 2), [
    'receipt-rejected',
    { gate: 'not-duplicate', evidence: text, taskId: task(2), attempt: 2 },
  ])
  commit(6_000, ['paused', { reason: text }])
  commit(8_000, ['unpaused', { reason: text }])
  commit(10_000, lock(`${text}-b`, 'process-gone'), mode('awaiting', 'recovering'))
  commit(11_000, mode('recovering', 'evaluating'), received(2, 1, 5_300, 10_400, 2), received(3, 3, 9_000, 10_900))
  commit(12_000, accepted(2), accepted(3), ['task-cancelled', { taskId: task(4), reason: text }])
  commit(16_000, mode('evaluating', 'awaiting'), dispatched(6))
  commit(20_000, ['attempt-expired', { taskId: task(5), attempt: 1, deadlineAt: at(20_000) }], ['note-added', { text }])
  return lines
}
