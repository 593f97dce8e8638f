import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { type CommitRecord, isRepriseError } from '@reprise/core/adapter'
import { describe, expect, it } from 'vitest'
import { tornMark } from '../src/append-file.js'
import { encodeName } from '../src/file-names.js'
import { FilesLog } from '../src/files-log.js'
import { Lifetime } from '../src/lifetime.js'
import { codeOf, fileOf, history, isHistory, readAll, recordAfter, runId, temporaryFolders } from './history.js'

const newFolder = temporaryFolders('in-memory')
const run = runId('Run:1')
/** Characters of two, three and four bytes, the replacement character among them. */
const manyBytes = 'é € 😀 \uFFFD'
const textsOf = (records: readonly CommitRecord[]) => records.map((record) => record.text)

/** A folder whose log of `run` has these bytes. Each call of `open` stands for another process. */
async function logWith(bytes: Uint8Array | string = '') {
  const dir = await newFolder()
  const path = join(dir, 'runs', encodeName(run), 'log.jsonl')
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, bytes)
  return {
    dir,
    path,
    open: () => new FilesLog(dir, new Lifetime()),
    write: (more: Uint8Array | string) => writeFileSync(path, more),
  }
}

describe('the log of a run, cut off', { timeout: 60_000 }, () => {
  it('reads whole commits only, and takes the next one, wherever the cut is', async () => {
    const records = history(2)
    const bytes = fileOf(records)
    const { open, path, write } = await logWith()
    const ends = records.map((_, i) => fileOf(records.slice(0, i + 1)).length)
    for (let length = 0; length < bytes.length; length++) {
      write(bytes.subarray(0, length))
      const whole = records.slice(0, ends.filter((end) => end <= length).length)
      expect([length, await readAll(open(), run)]).toEqual([length, textsOf(whole)])
      expect((await open().head(run))?.index ?? -1).toBe(whole.length - 1)
      const next = recordAfter(whole.at(-1) ?? null, `after a cut at ${length}`)
      await open().append(run, next)
      expect([length, await readAll(open(), run)]).toEqual([length, textsOf([...whole, next])])
      expect(readFileSync(path).subarray(0, length).equals(bytes.subarray(0, length))).toBe(true)
    }
  })

  it('never counts a line that was cut off, though the rest of it is there', async () => {
    const records = history(2)
    const { open } = await logWith(fileOf(records).subarray(0, -1))
    const rival = recordAfter(records[0] ?? null, 'rival')
    await open().append(run, rival)
    expect(await codeOf(() => open().append(run, records[1] as CommitRecord))).toBe('VERSION_CONFLICT')
    expect(await readAll(open(), run)).toEqual([records[0]?.text, rival.text])
  })
})

/** What a reader of a damaged log ends with: that it was found by its code or its hashes, or texts. */
async function outcomeOf(log: FilesLog): Promise<'found' | string[]> {
  try {
    const texts = await readAll(log, run)
    return isHistory(texts) ? texts : 'found'
  } catch (error) {
    if (isRepriseError(error, 'LOG_CORRUPT')) return 'found'
    throw error
  }
}

describe('the log of a run, with one bit flipped', { timeout: 60_000 }, () => {
  /** All bits where lines meet and in characters of several bytes, and in turn one of the eight elsewhere. */
  const bitsAt = (bytes: Buffer, at: number) =>
    bytes.subarray(Math.max(0, at - 1), at + 4).includes(0x0a) || (bytes[at] ?? 0) >= 0x80
      ? [0, 1, 2, 3, 4, 5, 6, 7]
      : [at % 8]

  async function flipEverywhere(bytes: Buffer, intact: string[]) {
    const { open, path } = await logWith(bytes)
    const file = openSync(path, 'r+')
    const missed: string[] = []
    for (const [at, byte] of bytes.entries()) {
      for (const bit of bitsAt(bytes, at)) {
        writeSync(file, Buffer.of(byte ^ (1 << bit)), 0, 1, at)
        const outcome = await outcomeOf(open())
        if (outcome !== 'found' && outcome.join('\n') !== intact.join('\n')) missed.push(`byte ${at}, bit ${bit}`)
      }
      writeSync(file, Buffer.of(byte), 0, 1, at)
    }
    closeSync(file)
    expect(missed).toEqual([])
  }

  it('shows it wherever it is, in the last commit as well', async () => {
    const records = history(3)
    await flipEverywhere(fileOf(records), textsOf(records))
  })

  it('shows it, or reads the same, among lines that lost and lines that are torn', async () => {
    const records = history(3)
    const rivals = [recordAfter(null, 'rival'), recordAfter(records[1] ?? null, 'rival')]
    const [a, b, c] = records.map(({ text }) => text)
    const torn = (c ?? '').slice(0, 120)
    const lines = [a, rivals[0]?.text, `${torn}${tornMark}`, b, `${torn}${c}`, c, rivals[1]?.text, `${torn}${tornMark}`]
    const bytes = Buffer.from(`${lines.join('\n')}\n`)
    const { open } = await logWith(bytes)
    expect(await readAll(open(), run)).toEqual(textsOf(records))
    await flipEverywhere(bytes, textsOf(records))
  })

  it('shows it in characters of several bytes, among them the one that stands for bytes that are none', async () => {
    const records = history(2, manyBytes)
    const { open } = await logWith(fileOf(records))
    expect(await readAll(open(), run)).toEqual(textsOf(records))
    await flipEverywhere(fileOf(records), textsOf(records))
  })

  it('refuses to append to it, and names the byte where the bad line begins', async () => {
    const records = history(3)
    const bytes = fileOf(records)
    const lastStart = fileOf(records.slice(0, 2)).length
    bytes[lastStart + 100] = (bytes[lastStart + 100] ?? 0) ^ 1
    const { open, path } = await logWith(bytes)
    const failure = await open()
      .append(run, recordAfter(records[2] ?? null, 'next'))
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'LOG_CORRUPT', details: { position: lastStart } })
    expect(readFileSync(path).equals(bytes)).toBe(true)
  })

  it('finds a commit that is missing, and one that stands in the place of another', async () => {
    const [a, b, c] = textsOf(history(3))
    expect(await outcomeOf((await logWith(`${a}\n${c}\n`)).open())).toBe('found')
    expect(await outcomeOf((await logWith(`${b}\n${a}\n${c}\n`)).open())).toBe('found')
    expect(await outcomeOf((await logWith(`${a}\n${b}\n${b}\n${c}\n`)).open())).toEqual([a, b, c])
  })
})

describe('the log of a run, with bytes that are no UTF-8', { timeout: 60_000 }, () => {
  const records = history(2, '\uFFFDï')
  const bytes = fileOf(records)
  const replacement = Buffer.from('\uFFFD')
  const replaced = [bytes.indexOf(replacement), bytes.lastIndexOf(replacement)]
  const spliced = (at: number, length: number, instead: readonly number[]) =>
    Buffer.concat([bytes.subarray(0, at), Buffer.from(instead), bytes.subarray(at + length)])

  it('is found to be damaged, whatever a byte of a character has become', async () => {
    const { open, write } = await logWith(bytes)
    const missed: string[] = []
    for (const start of replaced) {
      for (let at = start; at < start + replacement.length; at++) {
        for (let value = 0; value < 256; value++) {
          if (value === bytes[at]) continue
          write(spliced(at, 1, [value]))
          if ((await outcomeOf(open())) !== 'found') missed.push(`byte ${at} as ${value}`)
        }
      }
    }
    expect(missed).toEqual([])
  })

  it('is found to be damaged where a part of a character is missing', async () => {
    const { open, write } = await logWith(bytes)
    for (const start of replaced) {
      for (const instead of [[0xef], [0xbf], [0xbd], [0xef, 0xbf], [0xbf, 0xbd], [0xff]]) {
        write(spliced(start, replacement.length, instead))
        expect([start, instead, await outcomeOf(open())]).toEqual([start, instead, 'found'])
      }
    }
  })

  it('is found to be damaged when a program has stored it in another encoding', async () => {
    const inLatin1 = history(2, 'ï')
    const { open } = await logWith(Buffer.from(textsOf(inLatin1).join('\n').concat('\n'), 'latin1'))
    expect(await outcomeOf(open())).toBe('found')
  })

  it('is found to be damaged by a process that had read it before, which names the byte', async () => {
    const { open, path, write } = await logWith(fileOf(records.slice(0, 1)))
    const log = open()
    await log.append(run, records[0] as CommitRecord)
    const start = fileOf(records.slice(0, 1)).length
    const torn = Buffer.concat([bytes.subarray(start, (replaced[1] ?? 0) + 1), Buffer.from(`${tornMark}\n`)])
    appendFileSync(path, torn)
    appendFileSync(path, spliced(replaced[1] ?? 0, replacement.length, [0xef]).subarray(start))
    const damaged = { code: 'LOG_CORRUPT', details: { position: start + torn.length, count: 1 } }
    await expect(log.head(run)).rejects.toMatchObject(damaged)
    await expect(open().head(run)).rejects.toMatchObject(damaged)
    write(bytes)
    expect((await log.head(run))?.hash).toBe(records[1]?.hash)
  })

  it('is whole if only a torn line has such bytes, though a record was caught behind it', async () => {
    const { open, path, write } = await logWith()
    for (let length = 1; length <= replacement.length; length++) {
      write('')
      const reader = open()
      await reader.append(run, records[0] as CommitRecord)
      const end = (replaced[1] ?? 0) + length
      appendFileSync(path, bytes.subarray(fileOf(records.slice(0, 1)).length, end))
      appendFileSync(path, `${records[1]?.text}\n${records[1]?.text}\n`)
      expect((await reader.head(run))?.hash).toBe(records[1]?.hash)
      expect(await readAll(open(), run)).toEqual(textsOf(records))
    }
  })
})

describe('the log of a run', () => {
  it('reads histories of many pieces, commits of the largest size among them', async () => {
    const records: CommitRecord[] = []
    for (let i = 0; i < 60; i++) {
      records.push(recordAfter(records.at(-1) ?? null, 'é'.repeat(i % 10 === 9 ? 250_000 : 5_000)))
    }
    const { open } = await logWith(fileOf(records))
    expect(await readAll(open(), run)).toEqual(textsOf(records))
    expect(await readAll(open(), run, 37)).toEqual(textsOf(records.slice(37)))
    const next = recordAfter(records.at(-1) ?? null, 'next')
    await open().append(run, next)
    expect((await open().head(run))?.hash).toBe(next.hash)
  })

  it('lets the first intact line for an index win, for writers and readers alike', async () => {
    const records = history(3)
    const rival = recordAfter(records[1] ?? null, 'rival')
    const { open, path } = await logWith(fileOf(records.slice(0, 2)))
    const [one, other] = [open(), open()]
    expect([(await one.head(run))?.index, (await other.head(run))?.index]).toEqual([1, 1])
    await one.append(run, rival)
    expect(await codeOf(() => other.append(run, records[2] as CommitRecord))).toBe('VERSION_CONFLICT')
    await one.append(run, rival)
    for (const log of [one, other, open()]) expect((await readAll(log, run)).at(-1)).toBe(rival.text)
    appendFileSync(path, `${records[2]?.text}\n`)
    expect((await open().head(run))?.hash).toBe(rival.hash)
  })

  it('recognises an old record that is appended again, however long ago it was', async () => {
    const records = history(300)
    const { open } = await logWith(fileOf(records))
    const log = open()
    for (const index of [299, 298, 150, 0]) await log.append(run, records[index] as CommitRecord)
    expect(await codeOf(() => log.append(run, recordAfter(records[4] ?? null, 'rival')))).toBe('VERSION_CONFLICT')
    expect(await readAll(log, run)).toEqual(textsOf(records))
  })

  it('refuses records that are too large, or whose text is not theirs', async () => {
    const { open, path } = await logWith()
    const log = open()
    const [first, second] = history(2)
    if (first === undefined || second === undefined) throw new Error('no records')
    expect(await codeOf(() => log.append(run, recordAfter(null, 'x'.repeat(512 * 1024))))).toBe('TOO_LARGE')
    expect(await codeOf(() => log.append(run, { ...first, text: 'anything' }))).toBe('INVALID_INPUT')
    expect(await codeOf(() => log.append(run, { ...first, text: second.text }))).toBe('INVALID_INPUT')
    expect(await codeOf(() => log.append(run, { ...first, text: first.text.replace('note', 'no\nte') }))).toBe(
      'INVALID_INPUT',
    )
    expect(readFileSync(path, 'utf8')).toBe('')
  })

  it('notices that its files were deleted under it, and acknowledges nothing that is lost', async () => {
    const { open, dir } = await logWith()
    const log = open()
    const records = history(2)
    await log.append(run, records[0] as CommitRecord)
    rmSync(join(dir, 'runs'), { recursive: true })
    expect(await codeOf(() => log.append(run, records[1] as CommitRecord))).toBe('ADAPTER_UNAVAILABLE')
    expect(await codeOf(() => log.append(run, records[1] as CommitRecord))).toBe('VERSION_CONFLICT')
    expect(await log.head(run)).toBe(null)
  })

  it('works on many more runs at once than it keeps files open', async () => {
    const { dir } = await logWith()
    const log = new FilesLog(dir, new Lifetime())
    const openBefore = readdirSync('/proc/self/fd').length
    const runs = Array.from({ length: 150 }, (_, i) => runId(`many-${i}`))
    const records = history(3)
    for (const record of records) await Promise.all(runs.map((id) => log.append(id, record)))
    expect(readdirSync('/proc/self/fd').length - openBefore).toBeLessThanOrEqual(64)
    for (const id of runs) expect(await readAll(log, id)).toEqual(textsOf(records))
  })

  it('watches a log from before its first commit, over torn and losing lines, until it is told to stop', async () => {
    const { open, path, dir } = await logWith()
    rmSync(join(dir, 'runs'), { recursive: true })
    const stop = new AbortController()
    const records = history(6)
    const seen: string[] = []
    const writer = open()
    const watching = (async () => {
      for await (const texts of open().watch(run, 2, stop.signal)) {
        seen.push(...texts)
        if (seen.length === 4) stop.abort()
      }
    })()
    for (const record of records.slice(0, 3)) await writer.append(run, record)
    appendFileSync(path, (records[3]?.text ?? '').slice(0, 99))
    await open().append(run, records[3] as CommitRecord)
    appendFileSync(path, `${recordAfter(records[2] ?? null, 'late').text}\n`)
    for (const record of records.slice(4)) await open().append(run, record)
    await watching
    expect(seen).toEqual(textsOf(records.slice(2)))
  })

  it('tells a watcher that the run was removed', async () => {
    const { open } = await logWith()
    const closing = recordAfter(null, 'done', 'run-completed')
    await open().append(run, closing)
    const watched = open().watch(run, 0, new AbortController().signal)
    expect(await watched.next()).toEqual({ done: false, value: [closing.text] })
    const next = watched.next()
    await open().remove(run)
    expect(await codeOf(() => next)).toBe('RUN_UNKNOWN')
  })

  it('deletes what it removes, and lists neither that nor what others left in the folder', async () => {
    const { open, dir } = await logWith()
    const log = open()
    await log.append(run, recordAfter(null, 'done', 'run-failed'))
    await log.append(runId('other'), history(1)[0] as CommitRecord)
    mkdirSync(join(dir, 'runs', 'Not Ours'))
    mkdirSync(join(dir, 'runs', 'never-begun'))
    await log.remove(run)
    const listed: string[] = []
    for await (const id of log.list()) listed.push(id)
    expect(listed).toEqual(['other'])
    expect(readdirSync(join(dir, 'removed'))).toEqual([])
  })

  it('refuses a run id that could not be told from its file name', async () => {
    const { open } = await logWith()
    for (const id of ['', 'x'.repeat(30_000)]) expect(await codeOf(() => open().head(runId(id)))).toBe('INVALID_ID')
  })
})
