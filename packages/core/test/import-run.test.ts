import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { encodeCommit, readCommit } from '../src/log/commit-record.js'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import { MemoryBackend } from '../src/memory/memory-backend.js'
import { SimulatedClock } from '../src/memory/simulated-clock.js'
import type { Commit } from '../src/protocol/events.js'
import type { RunId } from '../src/protocol/ids.js'
import { limits } from '../src/protocol/limits.js'
import { exportRun } from '../src/replay/export-run.js'
import { importRun, readLogFile } from '../src/replay/import-run.js'
import { given } from './given-run.js'
import {
  adapterWith,
  emptyAdapter,
  ended,
  fileOf,
  forkedLines,
  linesIn,
  open,
  rowsOf,
  runId,
  textOf,
} from './moved-runs.js'

const whole = textOf(ended)
const line = (index: number): string => ended[index] ?? ''

/** The log with one commit written anew: its hash is right, and those behind it follow no longer. */
function rewritten(index: number, change: (commit: Commit) => Partial<Record<keyof Commit, unknown>>): string {
  const commit = readCommit(line(index), index)
  const changed = { ...commit, ...change(commit) } as Commit
  const texts = changed.events.map((event) => JSON.stringify(event))
  return textOf([...ended.slice(0, index), encodeCommit(changed, texts).text, ...ended.slice(index + 1)])
}

const other = given({ inFlightMax: 1 }).lines

const corpus: Record<string, readonly [file: string | Uint8Array, code: string, says: RegExp]> = {
  'an empty file': ['', 'INVALID_INPUT', /it is empty/],
  'an empty line': ['\n', 'INVALID_INPUT', /first line is not JSON/],
  'a text': ['Dear all,\n', 'INVALID_INPUT', /first line is not JSON/],
  'the JSONL of another project': [
    '{"level":30,"msg":"hi","pid":1}\n',
    'INVALID_INPUT',
    /fields "level", "msg", "pid"/,
  ],
  'a JSON array': ['[1]\n', 'INVALID_INPUT', /JSON array/],
  'a number': ['17\n', 'INVALID_INPUT', /no object/],
  'a ZIP archive': [Buffer.from('504b030414000000', 'hex'), 'INVALID_INPUT', /ZIP/],
  'a file packed with zstd': [Buffer.from('28b52ffd00000000', 'hex'), 'INVALID_INPUT', /zstd/],
  'a text in UTF-16': [Buffer.from(`\ufeff${whole}`, 'utf16le'), 'INVALID_INPUT', /UTF-16/],
  'a log behind a byte order mark': [`\ufeff${whole}`, 'INVALID_INPUT', /byte order mark/],
  'a binary file': [Buffer.alloc(100), 'INVALID_INPUT', /binary/],
  'a line longer than any commit': [
    `{"hash":"${'x'.repeat(limits.commitBytesMax * 2)}`,
    'INVALID_INPUT',
    /line 1 has more than/,
  ],
  'bytes that are no UTF-8': [
    Buffer.concat([Buffer.from(whole), Buffer.from([0xc3, 0x28, 0x0a])]),
    'INVALID_INPUT',
    /not UTF-8/,
  ],
  'an archive whose end is missing': [gzipSync(whole).subarray(0, 900), 'INVALID_INPUT', /its end is missing/],
  'an archive that is damaged': [flipped(gzipSync(whole)), 'INVALID_INPUT', /damaged/],
  'a torn end': [whole.slice(0, -40), 'LOG_CORRUPT', /cut off.*commits 0 to \d+, is intact/],
  'a torn first line': [whole.slice(0, 50), 'INVALID_INPUT', /cut off/],
  'a letter that was changed': [
    whole.replace('everything is read', 'everything is dead'),
    'LOG_CORRUPT',
    /Line 1 .*hash that it carries/,
  ],
  'a commit twice': [
    textOf([...ended.slice(0, 4), line(3), ...ended.slice(4)]),
    'LOG_CORRUPT',
    /Line 5 .*commit 3 stands there a second time/,
  ],
  'a missing commit': [
    textOf([...ended.slice(0, 4), ...ended.slice(5)]),
    'LOG_CORRUPT',
    /Line 5 .*commit 4 is missing/,
  ],
  'commits out of order': [textOf([line(0), line(2), line(1)]), 'LOG_CORRUPT', /Line 2 .*commit 1 is missing/],
  'an old commit at the end': [textOf([...ended, line(2)]), 'LOG_CORRUPT', /stands behind commit/],
  'two histories in one file': [textOf([...ended.slice(0, 1), ...other.slice(1)]), 'LOG_CORRUPT', /two histories/],
  'an empty line in between': [textOf([line(0), '', line(1)]), 'LOG_CORRUPT', /Line 2 .*it is empty/],
  'something else in between': [textOf([line(0), '{"level":30}', line(1)]), 'LOG_CORRUPT', /Line 2 .*form of a commit/],
  'a log without its beginning': [textOf(ended.slice(1)), 'LOG_CORRUPT', /commit 0 is missing/],
  'an event of a later library': [
    rewritten(3, ({ events }) => ({ events: [{ ...events[0], type: 'task-annotated' }, ...events.slice(1)] })),
    'LOG_TOO_NEW',
    /task-annotated/,
  ],
  'an event that is not right': [
    rewritten(0, ({ events }) => ({ events: [{ ...events[0], data: { runId: '../x' } }, ...events.slice(1)] })),
    'LOG_CORRUPT',
    /run-opened is not right at runId/,
  ],
  'events that cannot follow': [
    rewritten(2, ({ events, version, epoch }) => ({
      version: version - events.length + 1,
      epoch,
      events: [{ type: 'task-accepted', v: 1, data: { taskId: 'nobody', attempt: 1 } }],
    })),
    'LOG_CORRUPT',
    /Line 3 .*cannot follow.*nobody/,
  ],
  'a wrong version': [rewritten(2, ({ version }) => ({ version: version + 1 })), 'LOG_CORRUPT', /its events make it/],
  'a wrong epoch': [rewritten(2, () => ({ epoch: 99 })), 'LOG_CORRUPT', /epoch 99/],
  'a wrong actor': [rewritten(2, () => ({ actor: 7 })), 'LOG_CORRUPT', /actor is not right/],
  'a second opening': [
    rewritten(1, ({ version, events }) => ({
      version: version - events.length + 1,
      events: [readCommit(line(0), 0).events[0]],
    })),
    'LOG_CORRUPT',
    /has it nowhere else/,
  ],
}

function flipped(bytes: Uint8Array): Uint8Array {
  // Of the checksum at its end: elsewhere it may be found in a line sooner.
  const at = bytes.length - 6
  return bytes.map((byte, i) => (i === at ? byte ^ 0x40 : byte))
}

describe('a log file', () => {
  it.each(Object.entries(corpus))(
    'that is %s is refused with what is wrong, and nothing is written',
    async (_, [file, code, says]) => {
      for (const pieceBytes of [7, 100_000]) {
        const { log } = emptyAdapter()
        await expect(importRun(log, fileOf(file, pieceBytes), { open: true })).rejects.toMatchObject({
          code,
          message: expect.stringMatching(says),
        })
        const runs: string[] = []
        for await (const id of log.list()) runs.push(id)
        expect(runs).toEqual([])
      }
    },
  )

  it('is taken in, plain or packed, cut anywhere, with other line ends or without the last one', async () => {
    const crlf = whole.replaceAll('\n', '\r\n')
    for (const file of [whole, gzipSync(whole), whole.trimEnd(), crlf, gzipSync(crlf)]) {
      for (const pieceBytes of [1, 64, 1_000_000]) {
        const { log } = emptyAdapter()
        expect(await importRun(log, fileOf(file, pieceBytes))).toMatchObject({
          runId,
          appended: ended.length,
          open: false,
        })
        expect(await linesIn(log)).toEqual(ended)
      }
    }
  })

  it('is listed without a look into the log that was taken in', async () => {
    for (const lines of [ended, open]) {
      const to = emptyAdapter()
      await importRun(to.log, fileOf(textOf(lines)), { open: true, summaries: to.summaries })
      expect(await rowsOf(to)).toEqual([{ ...(await rowsOf(adapterWith(lines)))[0], source: 'summary' }])
    }
  })

  it('of a fork is taken in under the name of the fork', async () => {
    const lines = await forkedLines()
    const { log } = emptyAdapter()
    const fork = 'fork-1' as RunId
    await expect(importRun(log, fileOf(textOf(lines)))).rejects.toMatchObject({
      code: 'RUN_OPEN',
      details: { runId: fork },
    })
    expect(await importRun(log, fileOf(textOf(lines)), { open: true })).toMatchObject({ runId: fork })
    expect(await linesIn(log, fork)).toEqual(lines)
  })

  it('of a run that has not ended is refused unless asked for', async () => {
    const { log } = emptyAdapter()
    await expect(importRun(log, fileOf(textOf(open)))).rejects.toMatchObject({ code: 'RUN_OPEN' })
    expect(await linesIn(log)).toEqual([])
    expect(await importRun(log, fileOf(textOf(open)), { open: true })).toMatchObject({ open: true })
  })

  it('whose import was killed at any commit is gone on with, and a whole one is only compared', async () => {
    for (let kill = 1; kill <= ended.length; kill += 3) {
      const clock = new SimulatedClock()
      const backend = new MemoryBackend()
      let left = kill
      backend.intercept = ({ method, phase }) =>
        method === 'append' && phase === 'after' && --left === 0 ? 'kill' : 'go'
      const doomed = memoryAdapter({ backend, runtime: clock.process() })
      void importRun(doomed.log, fileOf(whole)).catch(() => {})
      await clock.settle()
      expect(backend.recordsOf(runId)).toHaveLength(kill)
      backend.intercept = () => 'go'
      const { log } = memoryAdapter({ backend })
      expect(await importRun(log, fileOf(whole))).toMatchObject({ appended: ended.length - kill })
      expect(await importRun(log, fileOf(whole))).toMatchObject({ appended: 0 })
      expect(await linesIn(log)).toEqual(ended)
    }
  })

  it('is not mixed with another log of its name', async () => {
    const { log } = adapterWith(other)
    await expect(importRun(log, fileOf(whole))).rejects.toMatchObject({ code: 'RUN_MISMATCH', details: { index: 0 } })
    expect(await linesIn(log)).toEqual(other)
  })

  it('that becomes another one while it is read is not called whole', async () => {
    const reads = [fileOf(textOf(ended)), fileOf(textOf(open))]
    const { log } = emptyAdapter()
    const imported = importRun(log, () => (reads.shift() ?? fileOf(''))())
    await expect(imported).rejects.toMatchObject({ code: 'RUN_MISMATCH' })
    // What was begun is whole so far: the same call with the right file goes on.
    expect(await importRun(log, fileOf(whole))).toMatchObject({ appended: 1 })
  })
})

describe('an exported log', () => {
  it('has exactly the lines of the log, is a log file itself, and says what it comes to', async () => {
    const lines: string[] = []
    const exported = exportRun(adapterWith(ended).log, runId)
    let next = await exported.next()
    for (; !next.done; next = await exported.next()) lines.push(next.value)
    expect(lines).toEqual(ended)
    expect(await readLogFile(fileOf(textOf(lines))())).toEqual(next.value)
  })

  it('ends at the first bad commit of a damaged log', async () => {
    const damaged = ended.map((text, i) => (i === 5 ? text.replace('"v":1', '"v":9') : text))
    const lines: string[] = []
    const read = async () => {
      for await (const each of exportRun(adapterWith(damaged).log, runId)) lines.push(each)
    }
    await expect(read()).rejects.toMatchObject({ code: 'LOG_CORRUPT', details: { index: 5 } })
    expect(lines).toEqual(ended.slice(0, 5))
    await expect(exportRun(emptyAdapter().log, runId).next()).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
  })
})
