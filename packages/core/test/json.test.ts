import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson, copyJson, exceedsBytes, exceedsJsonBytes } from '../src/protocol/json.js'
import { limits } from '../src/protocol/limits.js'
import { checkProperty } from './property-run.js'

const file = 'packages/core/test/json.test.ts'

/** What `canonicalJson` must give: RFC 8785, written the slow way. */
function sortedText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedText).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${sortedText(item)}`).join(',')}}`
}
const problem = (value: unknown) => {
  const result = copyJson(value)
  return 'problem' in result ? result.problem : null
}

describe('canonical JSON', () => {
  it('writes the example of RFC 8785, section 3.2.2', () => {
    const text = String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`
    expect(canonicalJson(JSON.parse(text))).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    )
  })

  it('sorts keys by UTF-16 code units, as the example of RFC 8785, section 3.2.3', () => {
    const keys = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6']
    const text = canonicalJson(Object.fromEntries(keys.map((key) => [key, 0])))
    expect(Object.keys(JSON.parse(text))).toHaveLength(7)
    const order = ['\\r', '1', '\u0080', '\u00f6', '\u20ac', '\ud83d\ude00', '\ufb33']
    expect(text).toBe(`{${order.map((key) => `"${key}":0`).join(',')}}`)
  })

  it('writes the numbers of RFC 8785, appendix B', () => {
    const numbers: [number, string][] = [
      [0, '0'],
      [-0, '0'],
      [5e-324, '5e-324'],
      [-1.7976931348623157e308, '-1.7976931348623157e+308'],
      [9007199254740992, '9007199254740992'],
      [295147905179352830000, '295147905179352830000'],
      [9.999999999999997e22, '9.999999999999997e+22'],
      [1e23, '1e+23'],
      [999999999999999700000, '999999999999999700000'],
      [333333333.3333332, '333333333.3333332'],
      [0.000001, '0.000001'],
      [9.999999999999997e-7, '9.999999999999997e-7'],
    ]
    for (const [number, text] of numbers) expect(canonicalJson(number)).toBe(text)
  })

  it('leaves out what is undefined, at any depth', () => {
    expect(canonicalJson({ b: undefined, a: { d: undefined, c: 1 } })).toBe('{"a":{"c":1}}')
  })

  it('sorts keys that look like numbers as text, though objects hold them as numbers', () => {
    expect(canonicalJson({ 10: 0, 9: 0, 1: 0, a: 0 })).toBe('{"1":0,"10":0,"9":0,"a":0}')
  })

  it('gives one text for one value, whatever the order of its keys', async ({ task: { name } }) => {
    await checkProperty(name, file, fc.jsonValue({ maxDepth: 5 }), async (value) => {
      const text = canonicalJson(value)
      expect(text).toBe(sortedText(JSON.parse(JSON.stringify(value))))
      expect(canonicalJson(JSON.parse(text))).toBe(text)
    })
  })
})

describe('copying JSON', () => {
  it('gives what a journey through text would', async ({ task: { name } }) => {
    await checkProperty(name, file, fc.jsonValue({ maxDepth: 5 }), async (value) => {
      if (JSON.stringify(value).includes('"__proto__"')) return
      expect(copyJson(value)).toStrictEqual({ copy: JSON.parse(JSON.stringify(value)) })
    })
    expect(copyJson({ a: undefined, b: -0, c: Object.create(null) })).toStrictEqual({ copy: { b: 0, c: {} } })
  })

  it('shares nothing with the original', () => {
    const original = { list: [{ x: 1 }] }
    const result = copyJson(original)
    original.list[0] = { x: 2 }
    expect(result).toEqual({ copy: { list: [{ x: 1 }] } })
  })

  it('refuses what JSON cannot express, with the path', () => {
    expect(problem({ a: [1, { b: Number.NaN }] })).toMatch(/^\$\.a\[1\]\.b is NaN/)
    expect(problem([new Date(0)])).toMatch(/^\$\[0\] is an instance of Date/)
    for (const value of [undefined, () => 1, Symbol('s'), 1n, Number.POSITIVE_INFINITY, new Map(), [undefined]]) {
      expect(problem(value)).not.toBe(null)
    }
  })

  it('refuses the holes of a sparse array, which would be filled on the way through the log', () => {
    const sparse = [1, 2, 3]
    delete sparse[1]
    expect(problem(sparse)).toMatch(/^\$\[1\] is a undefined/)
  })

  it('refuses a key named __proto__, and changes no prototype', () => {
    expect(problem(JSON.parse('{"a":{"__proto__":{"x":1}}}'))).toMatch(/^\$\.a has a key named __proto__/)
    expect(({} as { x?: number }).x).toBe(undefined)
  })

  it('refuses what is nested deeper than allowed, cycles included, without overflowing the stack', () => {
    const nested = (depth: number): unknown => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`)
    expect(problem(nested(limits.jsonDepthMax))).toBe(null)
    expect(problem(nested(limits.jsonDepthMax + 1))).toMatch(/is nested too deep$/)
    expect(problem(nested(200_000))).toMatch(/is nested too deep$/)
    const cycle: unknown[] = []
    cycle.push(cycle)
    expect(problem(cycle)).toMatch(/is nested too deep$/)
  })

  it('keeps the path that it reports short', () => {
    expect(problem({ ['k'.repeat(30_000)]: 1n })?.length).toBeLessThan(200)
  })
})

describe('counting bytes', () => {
  it('counts UTF-8, not characters, and agrees with the real count at every limit', async ({ task: { name } }) => {
    await checkProperty(
      name,
      file,
      fc.tuple(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.integer({ min: 0, max: 80 })),
      async ([text, max]) => {
        expect(exceedsBytes(text, max)).toBe(Buffer.byteLength(text) > max)
      },
    )
  })

  it('counts a value as the JSON that it becomes', async ({ task: { name } }) => {
    await checkProperty(
      name,
      file,
      fc.tuple(fc.jsonValue({ maxDepth: 3 }), fc.integer({ min: 0, max: 200 })),
      async ([value, max]) => {
        expect(exceedsJsonBytes(value, max)).toBe(Buffer.byteLength(JSON.stringify(value)) > max)
      },
    )
  })
})
