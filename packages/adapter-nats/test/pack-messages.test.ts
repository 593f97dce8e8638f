import { type InboxMessage, limits } from '@reprise/core/adapter'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countForPack, packMessages, unpackMessages } from '../src/pack-messages.js'

const message = fc.record({
  sender: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
  seq: fc.integer({ min: 1 }),
  kind: fc.constantFrom('receipt' as const, 'command' as const),
  body: fc.string({ unit: 'grapheme' }),
})

const ofBytes = (bytes: number, seq: number): InboxMessage => ({
  sender: 'worker-1',
  seq,
  kind: 'receipt',
  body: 'x'.repeat(bytes),
})

describe('a pack of messages', () => {
  it('gives back what was put in, byte for byte', () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 20 }), (messages) => {
        expect(unpackMessages(packMessages(messages))).toEqual(messages)
      }),
    )
  })

  it('is nothing once it was cut or changed in its structure', () => {
    const pack = packMessages([ofBytes(10, 1), ofBytes(20, 2)])
    for (let length = 0; length < pack.length; length++) expect(unpackMessages(pack.subarray(0, length))).toBe(null)
    const foreign = [
      '',
      '\n',
      '1\n',
      '1 {}\n',
      '1 [1]\n',
      '1 [["a",0,"receipt",0]]\n',
      '1 [["a",1,"other",0]]\n',
      '1 [["a",1,"receipt",-1]]\n',
      '[["a",1,"receipt",0]]\n',
      '0 [["a",1,"receipt",0]]\n',
      '01 [["a",1,"receipt",0]]\n',
      '-2 [["a",1,"receipt",0]]\n',
      '9999999 [["a",1,"receipt",0]]\n',
    ]
    for (const text of foreign) expect([text, unpackMessages(Buffer.from(text))]).toEqual([text, null])
    const notUtf8 = Buffer.concat([Buffer.from('1 [["a",1,"receipt",1]]\n'), Buffer.from([0xff])])
    expect(unpackMessages(notUtf8)).toBe(null)
  })

  it('is known as that of a later version, whatever is in it', () => {
    for (const text of ['2 [["a",1,"receipt",0]]\n', '3 \n', '17 something else']) {
      expect([text, unpackMessages(Buffer.from(text))]).toEqual([text, 'too-new'])
    }
  })

  it('holds at least one message, and together what a server takes', () => {
    expect(countForPack([ofBytes(limits.messageBytesMax, 1), ofBytes(limits.messageBytesMax, 2)])).toBe(1)
    const many = Array.from({ length: 1000 }, (_, i) => ofBytes(1000, i + 1))
    expect(countForPack(many)).toBe(256)
    expect(packMessages(many.slice(0, 256)).length).toBeLessThan(600 * 1024)
    expect(countForPack([])).toBe(0)
  })
})
