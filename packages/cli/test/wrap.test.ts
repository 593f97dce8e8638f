import { describe, expect, it } from 'vitest'
import { displayWidth } from '../src/output/display-width.js'
import { excerpt } from '../src/output/excerpt.js'
import { Style } from '../src/output/style.js'
import { wrap, wrapped, wrappedPairs } from '../src/output/wrap.js'

const style = new Style(24)
const text = 'every source file is 数える and their sums agree'

describe('a long text', () => {
  it('is broken between words, by what they take on a terminal, and loses none of them', () => {
    for (let width = 8; width < 60; width++) {
      const lines = wrap(text, width)
      expect(lines.join(' ')).toBe(text)
      for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(width)
    }
    expect(wrap(text, Number.POSITIVE_INFINITY)).toEqual([text])
    expect(wrap('a/path/that/is/longer than it', 8)).toEqual(['a/path/that/is/longer', 'than it'])
  })

  it('goes on behind what leads it, or where it is said, and never beyond the terminal', () => {
    for (const [lead, indent, under] of [
      ['  ok: ', undefined, 6],
      ['  ', 4, 4],
      ['    → ', 1, 1],
    ] as const) {
      const [first = '', ...others] = wrapped(style, text, lead, indent).split('\n')
      expect(first.startsWith(lead)).toBe(true)
      expect(others.length).toBeGreaterThan(1)
      for (const line of others) expect(line.search(/\S/)).toBe(under)
      for (const line of [first, ...others]) expect(displayWidth(line)).toBeLessThanOrEqual(24)
    }
    // What leads it may be longer than it leaves room for.
    expect(
      wrapped(style, 'one two', `${'x'.repeat(20)} `)
        .split('\n')[1]
        ?.search(/\S/),
    ).toBe(12)
  })

  it('goes on under its beginning, beside its name', () => {
    const lines = wrappedPairs(style, [
      ['goal', text],
      ['n', '1'],
    ]).split('\n')
    expect(lines.slice(1, -1).every((line) => line.startsWith('      ') && displayWidth(line) <= 24)).toBe(true)
    expect(lines.length).toBeGreaterThan(3)
  })

  it('is cut between characters, escapes what a terminal would obey, and stays on one line', () => {
    expect(excerpt(style, 'abc', 3)).toBe('abc')
    expect(excerpt(style, 'abcd', 3)).toBe('ab…')
    expect(excerpt(style, '😀😀😀', 4)).toBe('😀…')
    expect(excerpt(style, 'a\u001b[31m\nb', 99)).toBe('a\\u{1b}[31m\\nb')
    expect(excerpt(style, 'x'.repeat(100_000), 10)).toHaveLength(10)
  })
})
