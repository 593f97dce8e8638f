import { gzipSync } from 'node:zlib'
import type { CommitLog } from '../ports/commit-log.js'
import { RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import { loadRunAt } from './load-run-at.js'
import { linesOf } from './log-copy.js'
import { brokenIn, outcomeOf } from './outcome-of.js'
import { testSource } from './test-source.js'
import type { Where } from './where.js'

export interface RecordOptions {
  /** Where the recorded log ends. Default: at its head. */
  readonly until?: Where
  /** Name of the file beside the test that will hold the log, packed. Default: the log stands in the test. */
  readonly logFile?: string
}

export interface RecordedTest {
  readonly runId: RunId
  readonly version: number
  readonly commits: number
  /** Text of a vitest file in TypeScript. */
  readonly source: string
  /** What `logFile` is to hold; `null` if the log stands in the test. */
  readonly log: Uint8Array | null
}

/** Characters of a log that stand in a test line by line; a longer one is packed. */
const plainMax = 64 * 1024
/** Characters of a packed log in a test: editors and reviews have to bear it. */
const packedMax = 1024 * 1024

/**
 * A regression test of what a run came to: the text of a vitest file that holds its log, checks the hash chain, replays it,
 * and asserts status, mode, tasks, counts, spend and head, and the first invariant that it breaks, if it breaks one. It imports `@reprise/core/replay`, `vitest` and `node:` modules,
 * and is safe whatever the log holds. Holds the log in memory.
 *
 * `RUN_UNKNOWN`, `VERSION_UNKNOWN`, `LOG_CORRUPT`, `LOG_TOO_NEW`, `RUN_MISMATCH`; `INVALID_INPUT` for version 0 or a
 * `logFile` that is no plain name; `TOO_LARGE` for a log that has to stand in a file of its own.
 */
export async function recordTest(
  log: CommitLog,
  runId: RunId,
  { until = { back: 0 }, logFile }: RecordOptions = {},
): Promise<RecordedTest> {
  if (logFile !== undefined) checkName(logFile)
  const { state, last } = await loadRunAt(log, runId, until)
  if (last === null)
    throw new RepriseError(
      'INVALID_INPUT',
      `Version 0 of run ${runId} is before its first event: there is nothing to record.`,
    )
  const lines: string[] = []
  for await (const line of linesOf(log, runId)) if (lines.push(line) > last.index) break
  const outcome = outcomeOf(lines, { version: state.version })
  const broken = await brokenIn(lines, { version: state.version })
  const text = lines.map((line) => `${line}\n`).join('')
  const head = { runId, version: state.version, commits: lines.length }
  if (logFile !== undefined) {
    return { ...head, source: testSource(runId, outcome, broken, { file: logFile }), log: gzipSync(text) }
  }
  if (text.length <= plainMax) return { ...head, source: testSource(runId, outcome, broken, { lines }), log: null }
  const packed = gzipSync(text).toString('base64')
  if (packed.length <= packedMax) return { ...head, source: testSource(runId, outcome, broken, { packed }), log: null }
  throw new RepriseError(
    'TOO_LARGE',
    `The log of run ${runId} up to version ${state.version} has ${packed.length} characters even when packed, and a test holds at most ${packedMax}. Put it into a file beside the test (logFile), or record an earlier version.`,
    { details: { runId, characters: packed.length, max: packedMax } },
  )
}

function checkName(name: string): void {
  if (/^[A-Za-z0-9_][A-Za-z0-9._@-]{0,199}$/.test(name)) return
  throw new RepriseError(
    'INVALID_INPUT',
    `${JSON.stringify(name)} cannot be the name of the log beside a test: use A-Z a-z 0-9 . _ @ - only, without a folder.`,
  )
}
