import { randomBytes } from 'node:crypto'
import type { StoredArtifact } from '@reprise/core/adapter'
import { describe, expect, it } from 'vitest'
import { pieceBytes } from '../src/artifact-place.js'
import { addPieceScript, keepScript } from '../src/artifact-scripts.js'
import { redisKeys } from '../src/keys.js'
import { redisFixture } from './redis-fixture.js'
import { codeOf, collect, failureOf } from './redis-history.js'

const fixture = redisFixture({ private: true })
const bytesMax = 1024 * 1024 * 1024

async function* inChunks(content: Buffer, size = 100_000) {
  for (let i = 0; i < content.length; i += size) yield content.subarray(i, i + size)
}

const uploads = (): Promise<string[]> => fixture.raw.keys(`{${fixture.prefix}:bytes:*`)

async function onlyUpload(): Promise<string> {
  const [key, ...others] = await uploads()
  if (key === undefined || others.length > 0) throw new Error(`There are ${others.length} others.`)
  return key
}

describe('artifacts', () => {
  it.each([0, 1, pieceBytes - 1, pieceBytes, pieceBytes + 1, 5 * pieceBytes + 17])('keep %i bytes', async (size) => {
    const { artifacts } = await fixture.open()
    const content = randomBytes(size)
    const stored = await artifacts.put(inChunks(content), bytesMax)
    expect(stored.bytes).toBe(size)
    expect(await artifacts.check(stored, bytesMax)).toEqual({ ok: true, artifact: stored })
    expect(Buffer.concat(await collect(artifacts.read(stored))).equals(content)).toBe(true)
    for (const key of await uploads()) expect(await fixture.raw.ttl(key)).toBe(-1)
  })

  it('refuse more than this adapter takes, name the alternatives, and keep nothing', async () => {
    const { artifacts } = await fixture.open({ artifactBytesMax: 2 * pieceBytes })
    await artifacts.put(inChunks(randomBytes(2 * pieceBytes)), bytesMax)
    const kept = await uploads()
    const failure = await failureOf(() => artifacts.put(inChunks(randomBytes(2 * pieceBytes + 1)), bytesMax))
    expect(failure).toMatchObject({ code: 'ARTIFACT_TOO_LARGE' })
    for (const word of ['combineAdapters', 'NATS', 'artifactBytesMax']) expect(failure.message).toContain(word)
    expect(await uploads()).toEqual(kept)
  })

  it('forget by themselves what was abandoned in the middle', async () => {
    const { artifacts } = await fixture.open()
    let go = (): void => {}
    const stopped = new Promise<void>((resolve) => {
      go = resolve
    })
    const putting = artifacts.put(
      (async function* () {
        yield randomBytes(3 * pieceBytes)
        await stopped
        yield randomBytes(pieceBytes)
      })(),
      bytesMax,
    )
    try {
      await expect.poll(async () => (await uploads()).length, { timeout: 20_000 }).toBe(1)
      const ttl = await fixture.raw.ttl(await onlyUpload())
      expect(ttl).toBeGreaterThan(0)
      expect(ttl).toBeLessThanOrEqual(3600)
    } finally {
      go()
    }
    await putting
    expect(await fixture.raw.ttl(await onlyUpload())).toBe(-1)
  })

  it('are stored once, however often they are put', async () => {
    const [one, other] = [await fixture.open(), await fixture.open()]
    const content = randomBytes(3 * pieceBytes)
    const both = [one, other, one, other]
    const stored = await Promise.all(both.map(({ artifacts }) => artifacts.put(inChunks(content), bytesMax)))
    await one.artifacts.put(inChunks(content), bytesMax)
    expect(await fixture.raw.ttl(await onlyUpload())).toBe(-1)
    expect((await other.artifacts.check(stored[0] as StoredArtifact, bytesMax)).ok).toBe(true)
  })

  it('stay for whoever has put the same bytes while the first put had no answer', async () => {
    const { proxy, adapter: first } = await fixture.openBehindProxy({ commandTimeoutMs: 6_000 })
    const second = await fixture.open()
    const content = randomBytes(2 * pieceBytes)
    // So that the server knows the script, and the first put sends its digest.
    await second.artifacts.put(inChunks(Buffer.from('other')), bytesMax)
    const before = await uploads()
    let putting: Promise<StoredArtifact> | undefined
    const end = proxy.onData('toServer', (data) => {
      if (putting !== undefined || !data.includes(keepScript.sha1)) return
      const endSwallow = proxy.swallow('toClient')
      // Whatever the first put does about its failure gets through again.
      putting = second.artifacts.put(inChunks(content), bytesMax).finally(endSwallow)
    })
    expect(await codeOf(() => first.artifacts.put(inChunks(content), bytesMax))).toBe('ADAPTER_UNAVAILABLE')
    end()
    if (putting === undefined) throw new Error('The first put did not get so far.')
    const stored = await putting
    expect(await second.artifacts.check(stored, bytesMax)).toEqual({ ok: true, artifact: stored })
    const [upload, ...more] = (await uploads()).filter((key) => !before.includes(key))
    expect(more).toEqual([])
    expect(await fixture.raw.ttl(upload ?? '')).toBe(-1)
  })

  it('stay when a piece that was sent twice arrives a second time after the put', async () => {
    const { artifacts } = await fixture.open()
    const content = randomBytes(pieceBytes)
    await artifacts.put(inChunks(content), bytesMax)
    const key = await onlyUpload()
    await fixture.raw.eval(addPieceScript.lua, 1, key, 0, content, 3_600_000)
    expect(await fixture.raw.ttl(key)).toBe(-1)
  })

  it.each([
    ['a piece was changed', (key: string) => fixture.raw.hset(key, '1', randomBytes(pieceBytes)), 'wrong-digest'],
    ['a piece was lost', (key: string) => fixture.raw.hdel(key, '1'), 'missing'],
    ['a piece was made larger', (key: string) => fixture.raw.hset(key, '1', randomBytes(2 * pieceBytes)), 'missing'],
    ['all pieces were lost', (key: string) => fixture.raw.del(key), 'missing'],
  ] as const)('are refused when %s, and whole again once they are put again', async (_what, damage, reason) => {
    const { artifacts } = await fixture.open()
    const content = randomBytes(3 * pieceBytes)
    const stored = await artifacts.put(inChunks(content), bytesMax)
    await damage(await onlyUpload())
    expect(await artifacts.check(stored, bytesMax)).toMatchObject({ ok: false, reason })
    expect(await codeOf(() => collect(artifacts.read(stored)))).toBe('ARTIFACT_MISSING')
    expect(await artifacts.put(inChunks(content), bytesMax)).toEqual(stored)
    expect((await artifacts.check(stored, bytesMax)).ok).toBe(true)
    expect(await fixture.raw.ttl(await onlyUpload())).toBe(-1)
  })

  it.each(['', 'x', '{}', '{"uploadId":"../x","bytes":1}', '{"uploadId":"a","bytes":-1}', 'null'])(
    'are missing, and can be put, where somebody wrote "%s" in their place',
    async (text) => {
      const { artifacts } = await fixture.open()
      const content = Buffer.from('content')
      const stored = await artifacts.put(inChunks(content), bytesMax)
      await fixture.raw.set(redisKeys(fixture.prefix).artifact(stored.sha256), text)
      expect(await artifacts.check(stored, bytesMax)).toMatchObject({ ok: false, reason: 'missing' })
      await artifacts.put(inChunks(content), bytesMax)
      expect((await artifacts.check(stored, bytesMax)).ok).toBe(true)
    },
  )

  it.each(['toServer', 'toClient'] as const)(
    'arrive whole when the connection is cut again and again %s',
    async (direction) => {
      const { proxy, adapter } = await fixture.openBehindProxy()
      const content = randomBytes(6 * pieceBytes)
      for (const after of [1, 50, 1000, 100_000, 300_000]) {
        const before = proxy.cuts
        proxy.cutAfter(after, direction)
        // A cut waits until its byte comes, in whichever exchange that is.
        do {
          const stored = await adapter.artifacts.put(inChunks(content), bytesMax)
          expect((await adapter.artifacts.check(stored, bytesMax)).ok).toBe(true)
        } while (proxy.cuts === before)
      }
      expect(proxy.cuts).toBe(5)
      expect(proxy.connectionsTotal).toBeGreaterThan(3)
    },
  )
})
