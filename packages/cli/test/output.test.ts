import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { displayWidth, fitWidth } from '../src/output/display-width.js'
import { grouped } from '../src/output/grouped.js'
import { ink, paint, withoutInk } from '../src/output/markup.js'
import { Output } from '../src/output/output.js'
import { Style } from '../src/output/style.js'
import { duration } from '../src/output/times.js'
import { plain, visible, visibleJson } from '../src/output/visible.js'

const evil = '\u001b[31m\u001b]8;;http://x\u0007\u009b2J\u202e\u2066\u200b\ufeff\u{e0041}\ud800\r\n\tx'
// biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may come through
const dangerous = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/

describe('what is written', () => {
  it('has no character that a terminal obeys or hides, wherever it came from', async () => {
    const written = await outputOf((output) => output.human(`a ${evil} b`), { colour: true })
    expect(written).not.toMatch(dangerous)
    expect(written).toContain('\\u{1b}[31m')
    const noted = await outputOf((output) => output.note(evil), { colour: true })
    expect(noted).not.toMatch(dangerous)
    const json = await outputOf((output) => output.json({ evil }), {})
    expect(json.trimEnd()).not.toMatch(dangerous)
    expect(JSON.parse(json)).toEqual({ evil })
  })

  it('has our own colours only where colours are wanted', async () => {
    const text = `${ink('red', 'bad')} and ${ink('bold', 'good')}`
    expect(await outputOf((output) => output.human(text), { colour: true })).toBe(
      '\u001b[31mbad\u001b[39m and \u001b[1mgood\u001b[22m\n',
    )
    expect(await outputOf((output) => output.human(text), {})).toBe('bad and good\n')
  })

  it('cannot be coloured by a value', () => {
    expect(paint(ink('red', 'x'), true)).toContain('\u001b')
    expect(paint(plain(ink('red', 'x')), true)).not.toContain('\u001b')
  })

  it('keeps a value on one line, and any value of JSON the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(plain(text)).not.toMatch(/[\n\r]/)
        expect(visible(plain(text))).not.toMatch(dangerous)
        expect(JSON.parse(visibleJson({ text }))).toEqual({ text })
        expect(visibleJson({ text })).not.toMatch(dangerous)
      }),
    )
  })

  it('never shows a secret', async () => {
    const secrets = ['hunter22']
    expect(await outputOf((output) => output.human('pass hunter22!'), { secrets })).toBe('pass ***!\n')
    expect(await outputOf((output) => output.json({ a: 'hunter22' }), { secrets })).toBe('{"a":"***"}\n')
    expect(await outputOf((output) => output.note('hunter22'), { secrets })).toBe('***\n')
  })

  it('shows no secret in JSON that is written there with escapes, and stays the document that it was', async () => {
    const secrets = ['hun"te\\r\u200b', 'true', 'code']
    const written = await outputOf((output) => output.json({ code: `a ${secrets[0]} b`, ok: true, of: 'code' }), {
      secrets,
    })
    expect(JSON.parse(written)).toEqual({ code: 'a *** b', ok: true, of: '***' })
  })
})

describe('a table', () => {
  const columns = [
    { title: 'task', shrinks: true },
    { title: 'n', align: 'right' },
  ] as const

  it('puts columns under each other by what they take on a terminal', () => {
    const lines = new Style(80).table(columns, [
      ['日本', '1'],
      [ink('red', 'é'), '22'],
      ['👍🏽', '3'],
    ])
    expect(withoutInk(lines).split('\n')).toEqual(['task   n', '日本   1', 'é     22', '👍🏽     3'])
  })

  it('cuts what may be cut to fit, and nothing where there is no edge', () => {
    const row = ['a-very-long-name-of-a-task', '7']
    const narrow = new Style(16).table(columns, [row]).split('\n')
    expect(narrow.at(-1)).toBe('a-very-long-…  7')
    expect(narrow.every((line) => displayWidth(line) <= 16)).toBe(true)
    expect(new Style(Number.POSITIVE_INFINITY).table(columns, [row])).toContain('a-very-long-name-of-a-task  7')
  })

  it('fits a text of any script into any width', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(40), (text, width) => {
        expect(displayWidth(fitWidth(text, width))).toBeLessThanOrEqual(Math.max(width, 0))
      }),
    )
  })
})

it('a number has its thousands apart, and its fraction as it is', () => {
  const numbers = [0, 999, 1_000, 1_234_567, -1_234, 0.1234, 1_234.5]
  expect(numbers.map(grouped)).toEqual(['0', '999', '1,000', '1,234,567', '-1,234', '0.1234', '1234.5'])
})

it('a length of time is said in its two largest units', () => {
  const said = [0, 830, 4_200, 59_999, 60_000, 725_000, 3_600_000, 273_600_000, -5_000, Number.NaN].map(duration)
  expect(said).toEqual(['0 ms', '830 ms', '4.2 s', '59 s', '1 min', '12 min 5 s', '1 h', '3 d 4 h', '-5.0 s', '?'])
})

async function outputOf(
  work: (output: Output) => Promise<void>,
  { colour = false, secrets = [] as readonly string[] },
): Promise<string> {
  const stream = new PassThrough()
  let written = ''
  stream.setEncoding('utf8').on('data', (text: string) => {
    written += text
  })
  await work(new Output({ stream, colour }, { stream, colour }, secrets))
  return written
}
