import { describe, expect, it } from 'vitest'
import { encodeId, redisKeys } from '../src/keys.js'
import { codeOf } from './redis-history.js'

const hostile = [
  ...[
    'a',
    'A',
    'a:b',
    'a%003ab',
    'a}b',
    'a{b',
    '{',
    '}',
    '{a}',
    '}:log',
    'x}:log',
    '*',
    '?',
    '[a-z]',
    '\\',
    ' ',
    '',
    '%',
  ],
  ...['\u{1f680}'.repeat(128), '\ud800', '\udc00', '\ufffd', 'é', 'e\u0301', '\0', '\n', 'x'.repeat(512)],
]

describe('keys', () => {
  it('keep ids apart, whatever they are made of', () => {
    expect(new Set(hostile.map(encodeId)).size).toBe(hostile.length)
    for (const id of hostile) expect(encodeId(id)).toMatch(/^[A-Za-z0-9._@%-]*$/)
  })

  it('have one hash tag each, which no id can end or begin', () => {
    const keys = redisKeys('reprise')
    for (const id of hostile) {
      const all = [keys.log(id), keys.head(id), keys.inbox(id), keys.lease(id), keys.laneTag(id)]
      for (const key of all) expect(key).toMatch(/^\{[^{}]+\}(:[a-z]+)?$/)
      const [log, head, inbox] = all.map((key) => key.slice(0, key.indexOf('}')))
      expect([head, inbox]).toEqual([log, log])
    }
  })

  it('are never shared by two prefixes, kinds or ids', () => {
    const keys = ['a', 'a.run', 'a-lease', 'run', 'lease', 'leases'].flatMap((prefix) => {
      const { log, lease, artifact, bytes, probe, laneTag, runs, leases } = redisKeys(prefix)
      const ids = ['x', 'run:x', 'lease:x', 'run:b:x', 'b', 'leases', 'runs', 'lanes', ':leases', '']
      return [runs, leases, ...ids.flatMap((id) => [log, lease, artifact, bytes, probe, laneTag].map((of) => of(id)))]
    })
    expect(new Set(keys).size).toBe(keys.length)
  })

  it.each(['', ':a', 'a:b', 'a:lease', 'a b', 'a{b', 'a*', 'a?', 'a[b]', 'é', 'x'.repeat(65)])(
    'have no prefix like "%s"',
    async (prefix) => {
      expect(await codeOf(async () => redisKeys(prefix))).toBe('INVALID_INPUT')
    },
  )
})
