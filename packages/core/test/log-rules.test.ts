import { describe, expect, it } from 'vitest'
import { type CommitRecord, checkRecord, checkRemovable, type RunId, versionConflict } from '../src/adapter.js'
import { isRepriseError, type RepriseError } from '../src/protocol/errors.js'
import { limits } from '../src/protocol/limits.js'
import { encodeCommit, genesisHash, memoryAdapter } from '../src/testing.js'

const runId = 'run-1' as RunId
const record = (index: number, eventTexts: readonly string[]): CommitRecord =>
  encodeCommit(
    { index, version: 1, epoch: 0, at: '2030-01-01T00:00:00.000Z', actor: 'test', prev: genesisHash },
    eventTexts,
  )
const event = (type: string, text = ''): string => JSON.stringify({ type, v: 1, data: { text } })
const bytesOf = (text: string): number => Buffer.byteLength(text)
const good = record(3, [event('note-added', 'x')])
/** The commit of this record, which is what the limit is for, has exactly so many bytes. */
function recordOfBytes(bytes: number, filler: string): CommitRecord {
  const empty = record(0, [event('note-added')])
  const left = bytes - bytesOf(empty.text.slice(empty.text.indexOf('"commit":') + '"commit":'.length, -1))
  const text = filler.repeat(Math.floor(left / bytesOf(filler)))
  return record(0, [event('note-added', text.padEnd(text.length + left - bytesOf(text), 'x'))])
}

function failureOf(call: () => void): RepriseError | null {
  try {
    call()
    return null
  } catch (error) {
    if (!isRepriseError(error)) throw error
    return error
  }
}

describe('what a log refuses to append', () => {
  it.each(['x', 'é', '€', '😀'])(
    'is a commit of more than commitBytesMax bytes of %s, and not one of as many',
    (filler) => {
      const largest = recordOfBytes(limits.commitBytesMax, filler)
      const tooLarge = recordOfBytes(limits.commitBytesMax + 1, filler)
      expect(failureOf(() => checkRecord(runId, largest))).toBe(null)
      expect(failureOf(() => checkRecord(runId, tooLarge))).toMatchObject({
        code: 'TOO_LARGE',
        details: { runId, index: 0, bytes: bytesOf(largest.text) + 1 },
      })
    },
  )

  it('is a text that is no record, or that of another one', () => {
    expect(failureOf(() => checkRecord(runId, good))).toBe(null)
    const wrong: Record<string, CommitRecord> = {
      'another index': { ...good, index: 4 },
      'another hash': { ...good, hash: 'f'.repeat(64) },
      'an upper-case hash': { ...good, hash: good.hash.toUpperCase() },
      'no text': { ...good, text: '' },
      'a torn text': { ...good, text: good.text.slice(0, -1) },
      'other JSON': { ...good, text: '{}' },
    }
    for (const [what, one] of Object.entries(wrong)) {
      expect(failureOf(() => checkRecord(runId, one))?.code, what).toBe('INVALID_INPUT')
    }
  })

  it('is checked by the log in memory as well, before it compares', async () => {
    const { log } = memoryAdapter()
    await expect(log.append(runId, { ...good, index: 0 })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(await log.head(runId)).toBe(null)
  })
})

describe('a version conflict', () => {
  it('names the commit, the run and how many commits it holds', () => {
    for (const [index, length] of [
      [7, 5],
      [2, 5],
      [5, 5],
    ] as const) {
      const conflict = versionConflict(runId, index, length)
      expect(conflict).toMatchObject({ code: 'VERSION_CONFLICT', details: { runId, index, length } })
      expect(conflict.message).toContain(
        `Commit ${index} of run run-1 was not appended: the run holds ${length} commits`,
      )
    }
  })

  it('says what to do: append what is missing, or read what is there', () => {
    expect(versionConflict(runId, 7, 5).message).toMatch(/Append commit 5 first\.$/)
    expect(versionConflict(runId, 2, 5).message).toMatch(/Read what was appended, then decide again\.$/)
    expect(versionConflict(runId, 5, 5).message).toMatch(/Read what was appended, then decide again\.$/)
  })
})

describe('a run that may be removed', () => {
  it('has a commit that closes it at its end', () => {
    for (const type of ['run-completed', 'run-failed']) {
      expect(failureOf(() => checkRemovable(runId, record(3, [event('note-added'), event(type)]).text))).toBe(null)
    }
  })

  it('is not one that is open, or that there is not', () => {
    expect(failureOf(() => checkRemovable(runId, good.text))).toMatchObject({ code: 'RUN_OPEN', details: { runId } })
    expect(failureOf(() => checkRemovable(runId, null))).toMatchObject({ code: 'RUN_UNKNOWN', details: { runId } })
  })
})
