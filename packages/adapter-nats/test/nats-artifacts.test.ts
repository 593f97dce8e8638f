import { createHash } from 'node:crypto'
import type { Adapter, ArtifactStore, StoredArtifact } from '@reprise/core/adapter'
import { startNats, startProxy, type TestServer } from '@reprise/test-servers'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { eventually, failureOf, open } from './log-facts.js'
import { placeOn, withNats } from './nats-facts.js'

let server: TestServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(async () => {
  await server.stop()
})

const place = () => placeOn(server)

const sourceOf = async function* (...chunks: Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks
}
const put = (store: ArtifactStore, text: string): Promise<StoredArtifact> => store.put(sourceOf(Buffer.from(text)), 1e6)

function storeOf({ artifacts }: Adapter): ArtifactStore {
  if (artifacts === undefined) throw new Error('There is no artifact store.')
  return artifacts
}

const countOf = (prefix: string): Promise<number> =>
  withNats(server.url, async (client) => {
    const answer = await client.request(`$JS.API.STREAM.INFO.${prefix}-artifacts`)
    return answer.json<{ state: { messages: number } }>().state.messages
  })

async function readAll(store: ArtifactStore, stored: StoredArtifact): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of store.read(stored)) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

describe('artifacts', () => {
  it('that one put has stored stay, though another put of the same bytes lost its acknowledgement', async () => {
    const options = place()
    const proxy = await startProxy(server.url)
    onTestFinished(() => proxy[Symbol.asyncDispose]())
    const store = storeOf(await open(options))
    const faulty = storeOf(await open({ ...options, servers: proxy.url(server.url), requestTimeoutMs: 4000 }))
    let published = false
    proxy.onData('toServer', (bytes) => {
      if (!bytes.includes(`HPUB ${options.prefix}.artifacts.sha256`)) return
      published = true
      proxy.swallow('toClient')
    })
    const failing = failureOf(() => put(faulty, 'same bytes'))
    await eventually('the first is told of nothing', () => published)
    await eventually('it is stored all the same', async () => (await countOf(options.prefix)) === 2)
    const stored = await put(store, 'same bytes')
    expect((await failing).code).toBe('ADAPTER_UNAVAILABLE')
    proxy.clear()
    expect(await store.check(stored, 100)).toEqual({ ok: true, artifact: stored })
    expect(await put(faulty, 'same bytes')).toEqual(stored)
    expect(await readAll(faulty, stored)).toBe('same bytes')
  })

  it('are put though the acknowledgement is lost once: it is read back', async () => {
    const options = place()
    const proxy = await startProxy(server.url)
    onTestFinished(() => proxy[Symbol.asyncDispose]())
    const store = storeOf(await open({ ...options, servers: proxy.url(server.url) }))
    let swallowed = false
    proxy.onData('toServer', (bytes) => {
      if (bytes.includes(`HPUB ${options.prefix}.artifacts.sha256`)) {
        swallowed = true
        proxy.swallow('toClient')
      }
      // Both come at once if this process stood still past the deadline.
      if (swallowed && bytes.includes('DIRECT.GET')) proxy.clear()
    })
    const stored = await put(store, 'some bytes')
    expect(swallowed).toBe(true)
    expect(await readAll(store, stored)).toBe('some bytes')
  })

  it('of less than a chunk are stored once, however often they are put', async () => {
    const options = place()
    const store = storeOf(await open(options))
    const [one, two] = [await put(store, 'again'), await put(store, 'again')]
    expect(two).toEqual(one)
    expect(await countOf(options.prefix)).toBe(2)
  })

  it('whose manifest names more chunks or bytes than it says cost no more than they say', async () => {
    const options = place()
    const store = storeOf(await open(options))
    const upload = 'a'.repeat(32)
    const sha256 = createHash('sha256').update('0123456789').digest('hex')
    const claimed = { path: `sha256/${sha256.slice(0, 2)}/${sha256}`, sha256, bytes: 10 }
    await withNats(server.url, async (client) => {
      const chunk = await client.request(`${options.prefix}.artifacts.chunk.${upload}`, Buffer.alloc(256 * 1024))
      const { seq } = chunk.json<{ seq: number }>()
      const say = (bytes: number, count: number): Promise<unknown> =>
        client.request(
          `${options.prefix}.artifacts.sha256.${sha256}`,
          JSON.stringify({ upload, bytes, sequences: Array(count).fill(seq) }),
        )
      await say(10, 4000)
      expect(await store.check(claimed, 100)).toMatchObject({ ok: false, reason: 'missing' })
      expect((await failureOf(() => readAll(store, claimed))).code).toBe('ARTIFACT_MISSING')
      await say(10, 1)
      expect(await store.check(claimed, 100)).toMatchObject({ ok: false, reason: 'wrong-size' })
      // As many chunks as would be needed, of which the first one is too much.
      await say(2 ** 30, 4000)
      expect((await failureOf(() => readAll(store, claimed))).code).toBe('ARTIFACT_MISSING')
      expect(await store.check({ ...claimed, bytes: 2 ** 30 }, 100)).toMatchObject({ ok: false, reason: 'too-large' })
      // Whoever has the bytes puts them in its place.
      expect(await put(store, '0123456789')).toEqual(claimed)
      expect(await readAll(store, claimed)).toBe('0123456789')
    })
  })
})
