import { isUtf8 } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { ChainReader } from '../src/log/chain-reader.js'
import { encodeCommit, genesisHash } from '../src/log/commit-record.js'
import { isRepriseError } from '../src/protocol/errors.js'
import { hashOf } from './log-history.js'

/** A small log: one note per commit. */
function chainOf(...notes: string[]): string[] {
  let prev = genesisHash
  return notes.map((text, index) => {
    const header = { index, version: index + 1, epoch: 0, at: '2026-01-01T00:00:00.000Z', actor: 'a', prev }
    const record = encodeCommit(header, [JSON.stringify({ type: 'note-added', v: 1, data: { text } })])
    prev = record.hash
    return record.text
  })
}

const lines = chainOf('one', 'ü€😀\ufffd', 'three', '')
const log = Buffer.from(`${lines.join('\n')}\n`)
/** Where each commit ends, its newline included. */
const ends = lines.map((_, i) => Buffer.byteLength(`${lines.slice(0, i + 1).join('\n')}\n`))

/** Number of the first bad commit, or `null` with the number of good ones. */
function verify(read: readonly string[]): { bad: number | null; good: number } {
  const chain = new ChainReader()
  try {
    for (const line of read) chain.next(line)
    return { bad: null, good: chain.commits }
  } catch (error) {
    if (!isRepriseError(error, 'LOG_CORRUPT')) throw error
    expect(error.details.index).toBe(chain.commits)
    return { bad: chain.commits, good: chain.commits }
  }
}
/** As an adapter reads: bytes that are not UTF-8 are a damaged line, whatever a decoder would put in their place. */
function linesOf(bytes: Buffer): string[] {
  const split = bytes.toString('latin1').split('\n')
  const lines = (split.at(-1) === '' ? split.slice(0, -1) : split).map((line) => Buffer.from(line, 'latin1'))
  return lines.map((line) => (isUtf8(line) ? line.toString('utf8') : 'damaged'))
}
const commitAt = (offset: number) => ends.findIndex((end) => offset < end)

describe('reading a chain of commits', () => {
  it('takes a log as it was written, and knows its head', () => {
    const chain = new ChainReader()
    expect([chain.commits, chain.head]).toEqual([0, genesisHash])
    for (const line of lines) chain.next(line)
    expect([chain.commits, chain.head]).toEqual([lines.length, lines.at(-1)?.slice(9, 73)])
  })

  it('finds a bit flipped at every byte, and names the first bad commit', () => {
    for (let offset = 0; offset < log.length; offset++) {
      const flipped = Buffer.from(log)
      flipped[offset] = (log[offset] ?? 0) ^ (1 << (offset % 8))
      const expected = offset === log.length - 1 ? [lines.length - 1, null] : [commitAt(offset)]
      expect(expected, `byte ${offset}`).toContain(verify(linesOf(flipped)).bad)
    }
  })

  it('finds a byte that was lost or doubled, wherever it stood', () => {
    for (let offset = 0; offset < log.length - 1; offset++) {
      const lost = Buffer.concat([log.subarray(0, offset), log.subarray(offset + 1)])
      const doubled = Buffer.concat([log.subarray(0, offset + 1), log.subarray(offset)])
      expect(verify(linesOf(lost)).bad, `byte ${offset} lost`).toBe(commitAt(offset))
      const newline = log[offset] === 10
      expect(verify(linesOf(doubled)).bad, `byte ${offset} doubled`).toBe(commitAt(offset) + (newline ? 1 : 0))
    }
  })

  it('finds a truncation at every byte, but between commits, where what is left is a shorter log', () => {
    for (let length = 0; length < log.length; length++) {
      const whole = ends.filter((end) => end <= length).length
      const atEdge = length === 0 || ends.includes(length) || ends.includes(length + 1)
      const { bad, good } = verify(linesOf(log.subarray(0, length)))
      expect(bad, `${length} bytes left`).toBe(atEdge ? null : whole)
      expect(good).toBe(whole + (ends.includes(length + 1) ? 1 : 0))
    }
  })

  it('finds any two commits exchanged', () => {
    for (let i = 0; i < lines.length; i++) {
      for (let j = i + 1; j < lines.length; j++) {
        const swapped = lines.with(i, lines[j] ?? '').with(j, lines[i] ?? '')
        expect(verify(swapped).bad).toBe(i)
      }
    }
  })

  it('finds any commit dropped or doubled', () => {
    for (let i = 0; i < lines.length; i++) {
      expect(verify(lines.toSpliced(i, 1))).toEqual(
        i === lines.length - 1 ? { bad: null, good: i } : { bad: i, good: i },
      )
      expect(verify(lines.toSpliced(i, 0, lines[i] ?? '')).bad).toBe(i + 1)
    }
  })

  it('finds a commit of another log, though its own hash is right', () => {
    const other = chainOf('one', 'ü€😀\ufffd', 'drei', 'vier')
    expect(verify(lines.with(2, other[2] ?? '')).bad).toBe(3)
    expect(verify(lines.with(3, other[3] ?? '')).bad).toBe(3)
  })

  it('finds a version that is not the number of events so far, though the hash is right', () => {
    for (const version of [0, 2, 4]) {
      const header = {
        index: 2,
        version,
        epoch: 0,
        at: '2026-01-01T00:00:00.000Z',
        actor: 'a',
        prev: hashOf(lines[1]) ?? '',
      }
      const note = JSON.stringify({ type: 'note-added', v: 1, data: { text: 'three' } })
      expect(verify(lines.with(2, encodeCommit(header, [note]).text)).bad).toBe(2)
    }
  })
})
