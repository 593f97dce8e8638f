import { type CommitRecord, hashMatches, limits } from '@reprise/core/adapter'
import { eventually } from '../eventually.js'
import { message, startReceiver } from '../sample-messages.js'
import { offerOf, startWorker } from '../sample-offers.js'
import { appendAll, note, readAll, recordAfter, runId, textsOf } from '../sample-records.js'
import type { Suite } from '../suite.js'

const run = runId('run-1')

/** Every code unit there is; lone surrogates become escapes, U+2028 and its like stay as they are. */
const everyCodeUnit = JSON.stringify(Array.from({ length: 0x10000 }, (_, unit) => String.fromCharCode(unit)).join(' '))

/** JSON texts that a round trip through a parser, a line reader or an encoding would change. */
const delicateTexts = [
  '"\u2028 \u2029 \u0085 \\u000b"',
  '"\\u0000 \\ud800 \\udfff \\u2028 \\n \\r\\n \\u001b[31m"',
  '"\ufeff at the start and in the middle \ufeff"',
  '"u\u0308 is not \u00fc, \u212b is not \u00c5, \u1e9b\u0323"',
  '"\ud83d\ude80 \ud83d\udc69\u200d\ud83d\udcbb \ud800\udc00 \udbff\udfff"',
  '"\u202e right to left \u202c \u05d0\u05d1 \u007f \ufffe \uffff \ufdd0 \ufffd"',
  '"a\\/b and a/b, \\u0041 and A"',
  '{"__proto__":{"a":1},"constructor":{"prototype":{}},"a":1,"a":2,"":0}',
  '[1.0,1e400,-0,9007199254740993,123456789012345678901234567890,1E2]',
  '{"spaces" : [ 1 ,\t2 ] }',
  everyCodeUnit,
]

const noteWith = (text: string): string => `{"type":"note-added","v":1,"data":{"text":${text}}}`

/** A JSON string of exactly so many UTF-8 bytes, made of `filler`. */
function jsonOfBytes(bytes: number, filler: string): string {
  const fillerBytes = Buffer.byteLength(filler)
  const text = filler.repeat(Math.floor((bytes - 2) / fillerBytes))
  return `"${text}${'.'.repeat(bytes - 2 - Buffer.byteLength(text))}"`
}

function recordOfBytes(bytes: number, filler: string, previous: CommitRecord | null): CommitRecord {
  const frame = Buffer.byteLength(recordAfter(previous, noteWith('""')).text) - 2
  return recordAfter(previous, noteWith(jsonOfBytes(bytes - frame, filler)))
}

const fillers = ['x', '\u00e9', '\u2028', '\ud83d\ude80', '\\n']

export function fidelitySuite({ describe, it, expect, longTtlMs }: Suite): void {
  describe('fidelity', () => {
    it('gives records back byte for byte, whatever is in them', async ({ open }) => {
      const [writer, reader] = [await open(), await open()]
      const records: CommitRecord[] = []
      for (const text of delicateTexts) records.push(recordAfter(records.at(-1) ?? null, noteWith(text)))
      await appendAll(writer.log, run, records)
      const texts = await readAll(reader.log, run)
      expect(texts).toEqual(textsOf(records))
      expect(texts.every(hashMatches)).toBe(true)
    })

    it('gives messages and offers back byte for byte, whatever is in them', async ({ open }) => {
      const [sender, receiver] = [await open(), await open()]
      await sender.inbox.send(
        run,
        delicateTexts.map((text, i) => message('worker-1', i + 1, text)),
      )
      await sender.queue.offer(delicateTexts.map((body, i) => offerOf(`task-${i}`, { body })))
      const inbox = startReceiver(receiver, run)
      const worker = await startWorker(receiver, { claimTtlMs: longTtlMs })
      await eventually('all messages are there', () => inbox.distinct().length >= delicateTexts.length)
      await eventually('all offers are there', () => worker.deliveries.length >= delicateTexts.length)
      expect(inbox.distinct().map(({ body }) => body)).toEqual(delicateTexts)
      expect(worker.deliveries.map(({ offer }) => offer.body)).toEqual(delicateTexts)
      await inbox.stop()
    })

    it('takes records of the largest size, several in a row, between small ones', async ({ open }) => {
      const [writer, reader] = [await open(), await open()]
      const records = [recordAfter(null, note('first'))]
      for (const filler of fillers) {
        records.push(recordOfBytes(limits.commitBytesMax, filler, records.at(-1) ?? null))
        records.push(recordAfter(records.at(-1) ?? null, note(`after ${filler}`)))
      }
      await appendAll(writer.log, run, records)
      await appendAll(reader.log, run, records)
      expect(Buffer.byteLength(records[1]?.text ?? '')).toBe(limits.commitBytesMax)
      expect((await readAll(reader.log, run)).join('\n') === textsOf(records).join('\n')).toBe(true)
    })

    it('takes messages of the largest size, several in one send', async ({ open }) => {
      const [sender, receiver] = [await open(), await open()]
      const bodies = [...fillers, ...fillers].map((filler) => jsonOfBytes(limits.messageBytesMax, filler))
      await sender.inbox.send(
        run,
        bodies.map((body, i) => message('worker-1', i + 1, body)),
      )
      const inbox = startReceiver(receiver, run)
      await eventually('all are there', () => inbox.distinct().length >= bodies.length)
      expect(inbox.distinct().every(({ body }, i) => body === bodies[i])).toBe(true)
      await inbox.stop()
    })

    it('takes offers with inputs of the largest size, many in one call', async ({ open }) => {
      const [coordinator, worker] = [await open(), await open()]
      // A dispatch is its input and a few ids.
      const bodies = Array.from({ length: 24 }, (_, i) =>
        jsonOfBytes(limits.inputBytesMax + 4096, fillers[i % fillers.length] ?? 'x'),
      )
      await coordinator.queue.offer(bodies.map((body, i) => offerOf(`task-${i}`, { body })))
      const { deliveries } = await startWorker(worker, { claimTtlMs: longTtlMs, concurrency: 4 })
      await eventually('all are delivered', () => deliveries.length >= bodies.length)
      for (const { offer } of deliveries) expect(offer.body === bodies[Number(offer.taskId.slice(5))]).toBe(true)
    })
  })
}
