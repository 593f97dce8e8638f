import { createHash } from 'node:crypto'
import type { Adapter, ArtifactStore, StoredArtifact } from '@reprise/core/adapter'
import { codeOf, collect } from '../outcome.js'
import type { Suite } from '../suite.js'

const bytesMax = 64 * 1024 * 1024
const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex')

async function* inChunks(content: Buffer, chunkBytes = 1000): AsyncIterable<Uint8Array> {
  for (let i = 0; i < content.byteLength; i += chunkBytes) yield content.subarray(i, i + chunkBytes)
}

const storeOf = ({ artifacts }: Adapter): ArtifactStore => {
  if (artifacts === undefined) throw new Error('The capabilities promise artifacts, but the adapter has no store.')
  return artifacts
}

const contentOf = async (store: ArtifactStore, artifact: StoredArtifact): Promise<Buffer> =>
  Buffer.concat(await collect(store.read(artifact)))

export function artifactsSuite({ describe, it, expect, capabilities }: Suite): void {
  if (!capabilities.artifacts) {
    describe('artifacts', () => {
      it('has no artifact store, as its capabilities say', async ({ open }) => {
        expect((await open()).artifacts).toBe(undefined)
      })
    })
    return
  }

  describe('artifacts', () => {
    it('stores bytes under their digest, for every adapter to check and read', async ({ open }) => {
      const [worker, coordinator] = [storeOf(await open()), storeOf(await open())]
      for (const content of [
        Buffer.alloc(0),
        Buffer.from('x'),
        Buffer.from('\u2028 \ud83d\ude80'),
        Buffer.alloc(300_000, 'abc'),
      ]) {
        const stored = await worker.put(inChunks(content), bytesMax)
        expect([stored.sha256, stored.bytes]).toEqual([sha256(content), content.byteLength])
        expect(await coordinator.check(stored, bytesMax)).toEqual({ ok: true, artifact: stored })
        expect((await contentOf(coordinator, stored)).equals(content)).toBe(true)
      }
    })

    it('gives the same bytes the same place, put twice or at once', async ({ open }) => {
      const [one, other] = [storeOf(await open()), storeOf(await open())]
      const content = Buffer.alloc(100_000, 'same')
      const stored = await Promise.all([one, other, one, other].map((store) => store.put(inChunks(content), bytesMax)))
      for (const artifact of stored) expect(artifact).toEqual(stored[0])
      expect((await one.check(await other.put(inChunks(content), bytesMax), bytesMax)).ok).toBe(true)
    })

    it('copies what it is given: the source may use its buffer again', async ({ open }) => {
      const store = storeOf(await open())
      const source = async function* (): AsyncIterable<Uint8Array> {
        const buffer = Buffer.alloc(4)
        for (const text of ['one ', 'two ', 'tree']) {
          buffer.write(text)
          yield buffer
        }
      }
      const stored = await store.put(source(), bytesMax)
      expect((await contentOf(store, stored)).toString()).toBe('one two tree')
      expect(stored.sha256).toBe(sha256(Buffer.from('one two tree')))
    })

    it('takes exactly as many bytes as allowed; of more it keeps nothing', async ({ open }) => {
      const store = storeOf(await open())
      const content = Buffer.alloc(10_000, 'y')
      expect((await store.put(inChunks(content), 10_000)).bytes).toBe(10_000)
      const longer = Buffer.alloc(10_001, 'y')
      expect(await codeOf(() => store.put(inChunks(longer), 10_000))).toBe('ARTIFACT_TOO_LARGE')
      const claimed = { path: 'anything', sha256: sha256(longer), bytes: longer.byteLength }
      expect(await codeOf(() => contentOf(store, claimed))).toBe('ARTIFACT_MISSING')
    })

    it('keeps nothing of a source that fails, and says what the source said', async ({ open }) => {
      const store = storeOf(await open())
      const broken = new Error('the source broke')
      const source = async function* (): AsyncIterable<Uint8Array> {
        yield Buffer.from('half')
        throw broken
      }
      const failure = await store.put(source(), bytesMax).catch((error: unknown) => error)
      expect(failure === broken || (failure instanceof Error && failure.cause === broken)).toBe(true)
      const claimed = { path: 'anything', sha256: sha256(Buffer.from('half')), bytes: 4 }
      expect(await codeOf(() => contentOf(store, claimed))).toBe('ARTIFACT_MISSING')
    })

    it('refuses a claim with another size, digest or limit, or about nothing', async ({ open }) => {
      const store = storeOf(await open())
      const [stored, other] = [
        await store.put(inChunks(Buffer.from('stored')), bytesMax),
        await store.put(inChunks(Buffer.from('others')), bytesMax),
      ]
      const reasonFor = async (claim: Partial<StoredArtifact>, max = bytesMax): Promise<string> => {
        const check = await store.check({ ...stored, ...claim }, max)
        return check.ok ? 'ok' : check.reason
      }
      expect(await reasonFor({})).toBe('ok')
      expect(await reasonFor({ bytes: 5 })).toBe('wrong-size')
      expect(await reasonFor({ bytes: 7 })).toBe('wrong-size')
      expect(await reasonFor({ sha256: other.sha256 })).toBe('wrong-digest')
      expect(await reasonFor({ path: other.path })).toBe('wrong-digest')
      expect(await reasonFor({}, 5)).toBe('too-large')
      const nowhere = stored.path.replaceAll(stored.sha256, 'f'.repeat(64))
      expect(await reasonFor({ path: nowhere, sha256: 'f'.repeat(64) })).toBe('missing')
    })

    it('refuses every path that is not one of its own', async ({ open }) => {
      const store = storeOf(await open())
      const stored = await store.put(inChunks(Buffer.from('stored')), bytesMax)
      for (const path of ['../secret', '../../../etc/passwd', '/etc/passwd', `${stored.path}/../../../../secret`]) {
        const check = await store.check({ ...stored, path }, bytesMax)
        expect([path, check.ok, !check.ok && check.reason]).toEqual([path, false, 'outside-root'])
      }
      for (const path of [
        '',
        '.',
        './',
        '..',
        '/',
        'nul\0byte',
        '..\\secret',
        stored.path.split('/')[0] ?? '',
        'C:\\secret',
      ]) {
        const check = await store.check({ ...stored, path }, bytesMax)
        expect([path, check.ok]).toEqual([path, stored.path === path])
      }
    })

    it('reads nothing under a digest that nobody put', async ({ open }) => {
      const store = storeOf(await open())
      const nothing = { path: 'nowhere', sha256: '0'.repeat(64), bytes: 1 }
      expect(await codeOf(() => contentOf(store, nothing))).toBe('ARTIFACT_MISSING')
    })
  })
}
