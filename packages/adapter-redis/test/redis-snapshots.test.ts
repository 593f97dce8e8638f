import { describe, expect, it } from 'vitest'
import type { RedisAdapter } from '../src/index.js'
import { redisKeys } from '../src/keys.js'
import { redisFixture } from './redis-fixture.js'
import { appendAll, codeOf, history, runId } from './redis-history.js'

const run = runId('run-1')
const fixture = redisFixture({ private: true })

async function* inPieces(...pieces: string[]) {
  yield* pieces
}

async function kept({ snapshots }: RedisAdapter): Promise<string> {
  let text = ''
  for await (const piece of snapshots.load(run)) text += piece
  return text
}

describe('a snapshot', () => {
  it('is kept whole, and nothing beside it, wherever the connection is cut on the way', async () => {
    const { proxy, adapter } = await fixture.openBehindProxy()
    const other = await fixture.open()
    await appendAll(adapter.log, run, history(1))
    const pieces = Array.from({ length: 10 }, (_, n) => `${n} `.repeat(100))
    // Each piece is answered with 3 bytes, and the last script with 10 behind those.
    for (let bytes = 1; bytes <= 41; bytes += 4) {
      const text = [`${bytes}`, ...pieces]
      const before = proxy.cuts
      proxy.cutAfter(bytes, 'toClient')
      await adapter.snapshots.save(run, inPieces(...text))
      expect(proxy.cuts).toBe(before + 1)
      expect(await kept(other)).toBe(text.join(''))
    }
    const key = redisKeys(fixture.prefix).snapshot(run)
    expect(await fixture.raw.keys(`${key}*`)).toEqual([key])
    expect(await fixture.raw.ttl(key)).toBe(-1)
  })

  it('is kept although the server forgets all scripts on the way', async () => {
    const adapter = await fixture.open()
    await appendAll(adapter.log, run, history(1))
    const pieces = async function* () {
      yield 'new '
      await fixture.raw.script('FLUSH')
      yield 'and whole'
      await fixture.raw.script('FLUSH')
    }
    await adapter.snapshots.save(run, pieces())
    expect(await kept(adapter)).toBe('new and whole')
  })

  it('stays the one before when the server has forgotten the first pieces of the next', async () => {
    const adapter = await fixture.open()
    await appendAll(adapter.log, run, history(1))
    await adapter.snapshots.save(run, inPieces('old'))
    const key = redisKeys(fixture.prefix).snapshot(run)
    const forgotten = async function* () {
      yield 'first'
      await fixture.raw.del(...(await fixture.raw.keys(`${key}:*`)))
      yield 'second'
    }
    expect(await codeOf(() => adapter.snapshots.save(run, forgotten()))).toBe('ADAPTER_UNAVAILABLE')
    expect(await kept(adapter)).toBe('old')
    expect(await fixture.raw.keys(`${key}*`)).toEqual([key])
  })
})
