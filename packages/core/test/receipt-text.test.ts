import { describe, expect, it } from 'vitest'
import { firstFailingGate, noEvidence, readReceipt } from '../src/flow/receipt-gates.js'
import { limits } from '../src/protocol/limits.js'
import { dispatch, given, receiptText, task } from './given-run.js'

const run = given({}, dispatch('a'))
const honest = receiptText(run, 'a', {
  artifacts: [{ name: 'x', path: 'p', sha256: 'a'.repeat(64), bytes: 1 }],
  error: { message: 'm' },
  spawnRequests: [task('s')],
  signature: { keyId: 'k', value: 'v' },
})
const failing = (text: string) => firstFailingGate(run.state, readReceipt(text), noEvidence, 'checksum')?.gate ?? null

/** Every object inside the receipt, as the text right after its opening brace. */
const objects = [
  '{"checksum"',
  '{"id":"worker-1"',
  '{"lines"',
  '{"name":"x"',
  '{"durationMs"',
  '{"message"',
  '{"taskId":"s"',
  '{"keyId"',
  '{"of"',
]

describe('a receipt text', () => {
  it('that is honest passes', () => {
    expect(failing(honest)).toBe(null)
  })

  it.each(objects.filter((at) => at !== '{"lines"' && at !== '{"of"'))(
    'with an unknown key in %s… is no receipt',
    (at) => {
      expect(honest).toContain(at)
      expect(failing(honest.replace(at, `{"surprise":1,${at.slice(1)}`))).toBe('schema')
    },
  )

  it.each(objects)('with a key named __proto__ in %s… is no receipt', (at) => {
    expect(honest).toContain(at)
    expect(failing(honest.replace(at, `{"__proto__":{"admin":true},${at.slice(1)}`))).toBe('schema')
    expect(({} as { admin?: boolean }).admin).toBe(undefined)
  })

  it('nested 200,000 deep is no receipt, and overflows no stack', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
    const deepObject = `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`
    for (const text of [deep, deepObject]) {
      expect(failing(text)).toBe('schema')
      expect(failing(honest.replace('{"lines":3}', text))).toBe('schema')
      expect(failing(honest.replace('{"of":"s"}', text))).toBe('schema')
    }
  })

  it('nested as deep as the limit allows passes, and one deeper does not', () => {
    const nested = (depth: number) => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`)
    expect(failing(receiptText(run, 'a', { output: nested(limits.jsonDepthMax) }))).toBe(null)
    expect(failing(receiptText(run, 'a', { output: nested(limits.jsonDepthMax + 1) }))).toBe('schema')
  })

  it('with whole numbers from 2^53 on, or numbers that are none, is no receipt', () => {
    for (const number of ['9007199254740992', '9007199254740993', '1e400', '-1', '1.5', 'NaN']) {
      expect(failing(honest.replace('"attempt":1', `"attempt":${number}`))).toBe('schema')
      expect(failing(honest.replace('"bytes":1', `"bytes":${number}`))).toBe('schema')
    }
  })

  it('with a number in its output that reads as another than it says is checked as it reads', () => {
    expect(failing(honest.replace('"lines":3', '"lines":9007199254740993'))).toBe('checksum')
  })

  it('cannot make what was spent infinite', () => {
    const usage = (costUsd: string) => honest.replace('"durationMs":5', `"durationMs":5,"costUsd":${costUsd}`)
    for (const costUsd of ['1.7e308', '1e400', '-0.1']) expect(failing(usage(costUsd))).toBe('schema')
  })

  it('with a key twice counts by the last, as its checksum must', () => {
    expect(failing(honest.replace('"lines":3', '"lines":9,"lines":3'))).toBe(null)
    expect(failing(honest.replace('"lines":3', '"lines":3,"lines":9'))).toBe('checksum')
    expect(failing(honest.replace('"attempt":1', '"attempt":1,"attempt":2'))).toBe('current-attempt')
  })

  it('with raw control characters in a string is not JSON', () => {
    for (const raw of ['\n', '\u0000', '\t']) expect(failing(honest.replace('worker-1', `work${raw}er`))).toBe('schema')
  })

  it('that was not UTF-8 is told by what the decoder put in its place', () => {
    const bytes = Buffer.from(honest)
    bytes[bytes.indexOf('"host-2"') + 1] = 0xff
    expect(failing(bytes.toString('utf8'))).toBe('checksum')
  })

  it('that is empty, torn, or another kind of JSON is no receipt', () => {
    for (const text of ['', '{', honest.slice(0, -1), '[]', 'null', '7', '"x"', 'true', `${honest} x`]) {
      expect(failing(text)).toBe('schema')
    }
  })

  it('with times that do not exist is no receipt', () => {
    for (const time of ['2026-99-01T00:00:00.000Z', '2026-01-01T25:00:00.000Z', '2026-01-01', '2026-01-01T00:00:00Z']) {
      expect(failing(honest.replace('"startedAt":"2026-01-01T00:00:00.000Z"', `"startedAt":"${time}"`))).toBe('schema')
    }
  })

  it('of any such kind leaves evidence that says where the problem is', () => {
    expect(readReceipt(honest.replace('"pid":2', '"pid":-2')).problem).toMatch(/^worker\.pid: /)
    expect(readReceipt('{').problem).toMatch(/^not JSON/)
  })
})
