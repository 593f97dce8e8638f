import { appendFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CommitRecord, RunId } from '@reprise/core/adapter'
import { describe, expect, it } from 'vitest'
import { tornMark } from '../src/append-file.js'
import type { FilesAdapter } from '../src/index.js'
import { fileOf, history, runId, temporaryFolders } from './history.js'
import { logPath } from './log-file.js'
import { openedFolders } from './opened-folders.js'

const newFolder = temporaryFolders('in-memory')
const run = runId('run')
const records = history(3)
const open = openedFolders()

const summaryPath = (dir: string) => join(dir, 'runs', 'run', 'summary')
const headOf = ({ index, hash }: CommitRecord) => ({ index, hash })
const last = records.at(-1) as CommitRecord
const torn = last.text.slice(0, 90)
const text = '{"of":"the run \u20ac"}'

async function listed({ summaries }: FilesAdapter): Promise<Record<string, string | null>> {
  const found: Record<string, string | null> = {}
  for await (const batch of summaries.list()) for (const { runId: id, summary } of batch) found[id] = summary
  return found
}

async function folderWithSummary(): Promise<{ dir: string; adapter: FilesAdapter }> {
  const dir = await newFolder()
  const adapter = await open(dir)
  for (const record of records) await adapter.log.append(run, record)
  await adapter.summaries.put(run, headOf(last), text)
  expect(await listed(adapter)).toEqual({ run: text })
  return { dir, adapter }
}

describe('the summary of a run on files', () => {
  it('stands beside the log, behind the size of the log that it is of', async () => {
    const { dir } = await folderWithSummary()
    expect(readFileSync(summaryPath(dir), 'utf8')).toBe(`${statSync(logPath(dir, 'run')).size}\n${text}\n`)
  })

  it('is none if a power cut has left a part of it, whichever', async () => {
    const { dir, adapter } = await folderWithSummary()
    const whole = readFileSync(summaryPath(dir))
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(summaryPath(dir), whole.subarray(0, length))
      expect([length, await listed(adapter)]).toEqual([length, { run: null }])
    }
    writeFileSync(summaryPath(dir), Buffer.alloc(whole.length))
    expect(await listed(adapter)).toEqual({ run: null })
    writeFileSync(summaryPath(dir), whole)
    expect(await listed(adapter)).toEqual({ run: text })
  })

  it('is none as soon as a byte is behind the log, or in front of its end: only the log tells what that is', async () => {
    const { dir, adapter } = await folderWithSummary()
    appendFileSync(logPath(dir, 'run'), '{"torn')
    expect(await listed(adapter)).toEqual({ run: null })
    writeFileSync(logPath(dir, 'run'), fileOf(records.slice(0, 2)))
    expect(await listed(adapter)).toEqual({ run: null })
    writeFileSync(logPath(dir, 'run'), fileOf(records))
    expect(await listed(adapter)).toEqual({ run: text })
  })

  it('is put by a process that finds out by itself where the log ends, behind a torn line too', async () => {
    const dir = await newFolder()
    mkdirSync(join(dir, 'runs', 'run'), { recursive: true })
    writeFileSync(logPath(dir, 'run'), `${fileOf(records.slice(0, 2))}${torn}${tornMark}\n${fileOf(records.slice(2))}`)
    const adapter = await open(dir)
    await adapter.summaries.put(run, headOf(last), text)
    expect(await listed(await open(dir))).toEqual({ run: text })
    appendFileSync(logPath(dir, 'run'), torn)
    expect(await listed(adapter)).toEqual({ run: null })
    // What follows a line that nobody finished is not known by its size: the log is read until somebody appends.
    await adapter.summaries.put(run, headOf(last), 'of the whole lines')
    expect(await listed(adapter)).toEqual({ run: null })
  })

  it('is not believed if it is longer than one can be, or cannot be read', async () => {
    const { dir, adapter } = await folderWithSummary()
    const { size } = statSync(logPath(dir, 'run'))
    writeFileSync(summaryPath(dir), `${size}\n${'x'.repeat(1024 * 1024)}\n`)
    expect(await listed(adapter)).toEqual({ run: null })
    rmSync(summaryPath(dir))
    mkdirSync(summaryPath(dir))
    expect(await listed(adapter)).toEqual({ run: null })
  })

  it('lists what the log lists, whatever else lies in the folder of runs', async () => {
    const { dir, adapter } = await folderWithSummary()
    const runs = join(dir, 'runs')
    for (const name of ['empty', 'UPPER', 'begun', '.hidden', 'foreign%zzzz']) mkdirSync(join(runs, name))
    writeFileSync(join(runs, 'begun', 'log.jsonl'), '')
    writeFileSync(join(runs, 'empty', 'summary'), `0\n${text}\n`)
    writeFileSync(join(runs, 'file'), 'not a folder')
    for (const record of records) await adapter.log.append('Run:2' as RunId, record)
    const names: string[] = []
    for await (const id of adapter.log.list()) names.push(id)
    expect(Object.keys(await listed(adapter)).sort()).toEqual(names.sort())
    expect(names).toEqual(['Run:2', 'run'])
  })

  it('is dropped in silence if the run has gone on or is gone, and leaves nothing lying', async () => {
    const { dir, adapter } = await folderWithSummary()
    const before = readFileSync(summaryPath(dir), 'utf8')
    await adapter.summaries.put(run, headOf(records[1] as CommitRecord), 'old')
    expect(readFileSync(summaryPath(dir), 'utf8')).toBe(before)
    rmSync(join(dir, 'runs', 'run'), { recursive: true })
    await adapter.summaries.put(run, headOf(last), text)
    expect(await listed(adapter)).toEqual({})
    expect(() => statSync(join(dir, 'runs', 'run'))).toThrow('ENOENT')
  })
})
