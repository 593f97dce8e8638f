import { hash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  closesRun,
  decodeCommit,
  encodeCommit,
  genesisHash,
  hashMatches,
  readCommit,
  readRecordShape,
} from '../src/log/commit-record.js'
import { isRepriseError } from '../src/protocol/errors.js'
import { limits } from '../src/protocol/limits.js'
import { checkProperty } from './property-run.js'

const file = 'packages/core/test/commit-record.test.ts'

const header = {
  index: 0,
  version: 1,
  epoch: 0,
  at: '2026-01-01T00:00:00.000Z',
  actor: 'coordinator-1',
  prev: genesisHash,
}
const note = (text: string) => JSON.stringify({ type: 'note-added', v: 1, data: { text } })
const record = encodeCommit(header, [note('hello')])
const hostile = fc.string({
  unit: fc.constantFrom('a', '"', '\\', '\n', '\r', '\u0000', '\u2028', '\ud800', '€', '😀', '}}'),
})
/** A line that carries the right hash of whatever stands inside. */
const sealed = (commit: string) => `{"hash":"${hash('sha256', commit)}","commit":${commit}}`

describe('the text of a commit', () => {
  it('is the documented line, byte for byte', () => {
    const commit = `{"index":0,"version":1,"epoch":0,"at":"2026-01-01T00:00:00.000Z","actor":"coordinator-1","prev":"${genesisHash}","events":[${note('hello')}]}`
    expect(record).toEqual({ index: 0, hash: hash('sha256', commit), text: sealed(commit) })
  })

  it('never holds a newline, whatever actor and events hold', async ({ task: { name } }) => {
    await checkProperty(name, file, fc.tuple(hostile, hostile), async ([actor, text]) => {
      const { text: line } = encodeCommit({ ...header, actor }, [note(text)])
      expect(line).not.toMatch(/[\n\r]/)
      const { commit } = decodeCommit(line, { index: 0, prev: genesisHash })
      expect(commit).toEqual({ ...header, actor, events: [JSON.parse(note(text))] })
    })
  })

  it('keeps the texts of its events as they are: nothing is serialized again', () => {
    const odd = '{"type":"note-added","v":1,"data":{"text":"\\u0041", "z":1e2}}'
    expect(encodeCommit(header, [odd, note('b')]).text).toContain(`[${odd},${note('b')}]`)
  })
})

describe('the shape of a line', () => {
  it('tells the index and hash that it claims', () => {
    const { text, hash: claimed } = encodeCommit({ ...header, index: 12 }, [note('x')])
    expect(readRecordShape(text)).toEqual({ index: 12, hash: claimed })
  })

  it('is not that of a torn or foreign line', () => {
    const { text } = record
    const indexes = ['-1', '1.5', '', 'x', '99999999999999999'].map((index) =>
      text.replace('"index":0', `"index":${index}`),
    )
    for (const line of ['', '{}', '[]', `x${text}`, `${text}x`, text.replace('"commit"', '"commot"'), ...indexes]) {
      expect(readRecordShape(line)).toBe(null)
    }
    for (let end = 0; end < text.length; end++) {
      const torn = text.slice(0, end)
      expect(readRecordShape(torn) !== null && hashMatches(torn)).toBe(false)
    }
  })

  it('says nothing about the bytes inside, which hashMatches does', () => {
    const edited = record.text.replace('hello', 'hullo')
    expect(readRecordShape(edited)).not.toBe(null)
    expect([hashMatches(record.text), hashMatches(edited)]).toEqual([true, false])
  })

  it('has its hash checked right for long lines and for text beyond ASCII', () => {
    for (const text of [
      'x'.repeat(limits.commitBytesMax * 2),
      '€'.repeat(limits.commitBytesMax / 2),
      '😀é€',
      '\ufffd',
    ]) {
      const { text: line } = encodeCommit(header, [note(text)])
      expect(hashMatches(line)).toBe(true)
      expect(hashMatches(line.replace('note-added', 'nota-added'))).toBe(false)
    }
  })

  it('does not pass with a hash that is none', () => {
    for (const odd of ['é'.repeat(64), 'A'.repeat(64), ' '.repeat(64)]) {
      expect(hashMatches(record.text.replace(record.hash, odd))).toBe(false)
    }
  })
})

describe('decoding a commit', () => {
  const code = (line: string, at = { index: 0, prev: genesisHash }) => {
    try {
      decodeCommit(line, at)
      return 'fine'
    } catch (error) {
      return isRepriseError(error) ? `${error.code} ${error.details.index}` : 'other'
    }
  }

  it('gives back what was encoded', () => {
    const { commit, hash: found } = decodeCommit(record.text, { index: 0, prev: genesisHash })
    expect(found).toBe(record.hash)
    expect(commit).toEqual({ ...header, events: [JSON.parse(note('hello'))] })
  })

  it('refuses a line that is torn, edited, in another place, or after another commit', () => {
    expect(code(record.text)).toBe('fine')
    expect(code(record.text.slice(0, -1))).toBe('LOG_CORRUPT 0')
    expect(code(record.text.replace('hello', 'hullo'))).toBe('LOG_CORRUPT 0')
    expect(code(record.text, { index: 1, prev: genesisHash })).toBe('LOG_CORRUPT 1')
    expect(code(record.text, { index: 0, prev: 'f'.repeat(64) })).toBe('LOG_CORRUPT 0')
  })

  it('can be done without the chain, for a reader who starts in the middle', () => {
    const late = encodeCommit({ ...header, index: 9, prev: 'e'.repeat(64) }, [note('x')])
    expect(readCommit(late.text, 9).prev).toBe('e'.repeat(64))
    expect(() => readCommit(late.text.replace('"x"', '"y"'), 9)).toThrow(/Commit 9 .*corrupt/)
  })

  it('tells whether a commit closes its run', () => {
    const end = (type: string) => encodeCommit(header, [note('x'), JSON.stringify({ type, v: 1, data: {} })]).text
    expect(['run-completed', 'run-failed', 'lock-released'].map((type) => closesRun(end(type)))).toEqual([
      true,
      true,
      false,
    ])
    expect(closesRun(encodeCommit(header, [note('run-completed')]).text)).toBe(false)
  })
})
