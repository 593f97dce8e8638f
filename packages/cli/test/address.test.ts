import { describe, expect, it } from 'vitest'
import { readAddress, secretsIn, withoutSecrets } from '../src/address.js'

describe('the address of a backend', () => {
  it('is a folder if it has no scheme', () => {
    for (const dir of ['.reprise', '/var/lib/reprise', 'a:b', '../x?y=1']) {
      expect(readAddress(dir)).toEqual({ kind: 'files', dir })
    }
  })

  it('names a Redis server, with a prefix apart', () => {
    expect(readAddress('rediss://user:secret@host:6380/2?prefix=fleet')).toEqual({
      kind: 'redis',
      url: 'rediss://user:secret@host:6380/2',
      prefix: 'fleet',
    })
    expect(readAddress('REDIS://host')).toEqual({ kind: 'redis', url: expect.stringContaining('redis://host') })
  })

  it('names a NATS server, with a user and password or a token apart', () => {
    expect(readAddress('nats://me:p%40ss@host:4222?prefix=fleet')).toEqual({
      kind: 'nats',
      servers: 'nats://host:4222',
      prefix: 'fleet',
      credentials: { user: 'me', pass: 'p@ss' },
    })
    expect(readAddress('tls://token@host:4222')).toMatchObject({
      servers: 'tls://host:4222',
      credentials: { token: 'token' },
    })
    expect(readAddress('nats://host')).toMatchObject({ servers: 'nats://host', credentials: {} })
  })

  it('is refused with a scheme or an option that nobody knows, without showing what is secret', () => {
    for (const text of ['http://host', 'redis://u:hunter22@host?db=2', 'nats://u:hunter22@[bad']) {
      const error = failureOf(() => readAddress(text))
      expect(error).toMatchObject({ exit: 'usage', code: 'USAGE' })
      expect(String(error)).not.toContain('hunter22')
    }
  })

  it.each(['12/34', '12#34', '12?34', 'a@12/34', 'a%zz'])(
    'hides the password %s, however it is written',
    (password) => {
      const text = `redis://me:hunter22${password}@host:1`
      expect(withoutSecrets(text)).toBe('redis://***@host:1')
      expect(secretsIn(text)).toContain(`hunter22${password}`)
      if (/[/?#]/.test(password))
        expect(String(failureOf(() => readAddress(text)))).toContain('redis://***@host:1 is not')
      else expect(readAddress(text)).toMatchObject({ kind: 'redis' })
    },
  )

  it('is refused rather than that a part of a password is taken for the host', () => {
    for (const text of ['redis://me:12/hunter@host', 'nats://12#hunter@host', 'nats://me:1?hunter=2@host']) {
      const error = failureOf(() => readAddress(text))
      expect(error).toMatchObject({ code: 'USAGE' })
      expect(String(error)).not.toContain('hunter')
      expect(String(error)).toContain('%2F')
    }
    expect(() => readAddress('nats://:hunter22@host')).toThrow('nats://***@host has a password and no user')
  })

  it('may hold a % that stands for nothing in a password', () => {
    expect(readAddress('nats://me:5%zz@host')).toMatchObject({ credentials: { user: 'me', pass: '5%zz' } })
  })

  it('is hidden in each place of a text with several', () => {
    const text = 'queue=redis://a:passone@h inbox=nats://b:pass:two@h'
    expect(withoutSecrets(text)).toBe('queue=redis://***@h inbox=nats://***@h')
    expect(secretsIn(text)).toEqual(['b:pass:two', 'a:passone', 'pass:two', 'passone'])
  })

  it('is shown without who and how', () => {
    expect(withoutSecrets('redis://u:hunter22@host:1/2')).toBe('redis://***@host:1/2')
    expect(withoutSecrets('.reprise')).toBe('.reprise')
  })

  it.each([
    'redis://u:hun/ter22@host',
    'redis://u:7/hunter22@host:1',
    'NATS://u:a?hunter22@host',
    'nats://u:a#hunter22@host',
    'redis://u:a@hunter22@host:1/2',
    'nats://u:abcd@one,nats://u:hunter22@host',
    'queue=tls://hunter22@host',
  ])('hides a password that is not written as an address has it: %s', (text) => {
    expect(withoutSecrets(text)).not.toMatch(/hun|ter22/)
    expect(withoutSecrets(text)).toMatch(/@host/)
    const shown = secretsIn(text).reduce((said, secret) => said.replaceAll(secret, '***'), `Cannot read ${text}`)
    expect(shown).not.toMatch(/hun|ter22/)
  })

  it('has as secrets its password, written and decoded, but nothing that would hide every second word', () => {
    expect(secretsIn('nats://me:p%40ssword@host')).toEqual(['me:p%40ssword', 'me:p@ssword', 'p%40ssword', 'p@ssword'])
    expect(secretsIn('nats://s3cret-token@host')).toEqual(['s3cret-token'])
    expect(secretsIn('redis://:abc@host')).toEqual([':abc'])
    expect(secretsIn('/folder/a@b')).toEqual([])
    expect(secretsIn('as https://host/path says, ask me@host')).toEqual([])
  })
})

function failureOf(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('It did not fail.')
}
