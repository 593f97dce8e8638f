import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { StoredArtifact } from '@reprise/core/adapter'
import { describe, expect, it } from 'vitest'
import { FilesArtifacts } from '../src/files-artifacts.js'
import { Lifetime } from '../src/lifetime.js'
import { gate } from './delivery-parts.js'
import { codeOf, temporaryFolders } from './history.js'

const newFolder = temporaryFolders()
const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex')
const bytesMax = 1_000_000

async function* chunks(...parts: (string | Buffer)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part)
}

/** A store, and a file `out/result.json` that a worker has put into its folder by itself. */
async function storeWithFile(content = '{"lines":7}') {
  const dir = await newFolder()
  const store = new FilesArtifacts(dir, new Lifetime())
  const root = join(dir, 'artifacts')
  mkdirSync(join(root, 'out'), { recursive: true })
  writeFileSync(join(root, 'out', 'result.json'), content)
  const claimed: StoredArtifact = {
    path: 'out/result.json',
    sha256: sha256(content),
    bytes: Buffer.byteLength(content),
  }
  const reasonFor = async (claim: Partial<StoredArtifact>, max = bytesMax) => {
    const check = await store.check({ ...claimed, ...claim }, max)
    return check.ok ? 'ok' : check.reason
  }
  return { dir, root, store, claimed, reasonFor }
}

async function contentOf(store: FilesArtifacts, artifact: StoredArtifact): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of store.read(artifact)) parts.push(part)
  return Buffer.concat(parts).toString()
}

describe('artifacts', () => {
  it('are stored whole, under their digest, not to be written to', async () => {
    const { store, root } = await storeWithFile()
    const stored = await store.put(chunks('one ', 'two'), bytesMax)
    expect(stored).toEqual({
      path: `sha256/${sha256('one two').slice(0, 2)}/${sha256('one two')}`,
      sha256: sha256('one two'),
      bytes: 7,
    })
    expect(statSync(join(root, stored.path)).mode & 0o222).toBe(0)
    expect(await contentOf(store, stored)).toBe('one two')
    expect(readdirSync(join(root, 'tmp'))).toEqual([])
  })

  it('can be put into a folder where there are none, by many at once and the first time', async () => {
    const dir = await newFolder()
    // As two processes that have the same artifacts.
    const stores = [new FilesArtifacts(dir, new Lifetime()), new FilesArtifacts(dir, new Lifetime())]
    const contents = Array.from({ length: 8 }, (_, i) => `artifact ${i}`)
    const putting = stores.flatMap((store) => contents.map((content) => store.put(chunks(content), bytesMax)))
    const stored = await Promise.all(putting)
    expect(stored.map((artifact) => artifact.sha256)).toEqual([...contents, ...contents].map(sha256))
    for (const [i, artifact] of stored.entries()) {
      expect(await contentOf(stores[0] as FilesArtifacts, artifact)).toBe(contents[i % contents.length])
    }
    expect(readdirSync(join(dir, 'artifacts', 'tmp'))).toEqual([])
  })

  it('that a worker put elsewhere are copied while they are checked, and the copy counts', async () => {
    const { store, root, claimed } = await storeWithFile()
    const check = await store.check(claimed, bytesMax)
    if (!check.ok) throw new Error(check.detail)
    expect(check.artifact.path).toBe(`sha256/${claimed.sha256.slice(0, 2)}/${claimed.sha256}`)
    writeFileSync(join(root, claimed.path), 'changed afterwards')
    expect(await contentOf(store, check.artifact)).toBe('{"lines":7}')
    expect((await store.check(check.artifact, bytesMax)).ok).toBe(true)
  })

  it('are refused if they are not what is claimed', async () => {
    const { store, root, claimed, reasonFor } = await storeWithFile()
    expect(await reasonFor({ sha256: sha256('other') })).toBe('wrong-digest')
    expect(await reasonFor({ sha256: '../../../../etc/passwd' })).toBe('wrong-digest')
    expect(await reasonFor({ bytes: 10 })).toBe('wrong-size')
    expect(await reasonFor({}, 10)).toBe('too-large')
    expect(await reasonFor({ path: 'out/other.json' })).toBe('missing')
    expect(await reasonFor({ path: 'out' })).toBe('not-a-regular-file')
    expect(await reasonFor({ path: 'out/result.json/more' })).toBe('missing')
    truncateSync(join(root, claimed.path), 5)
    expect(await reasonFor({})).toBe('wrong-size')
    expect(readdirSync(join(root, 'tmp'))).toEqual([])
    expect(await codeOf(() => contentOf(store, claimed))).toBe('ARTIFACT_MISSING')
  })

  it('are refused if their path leads out of the folder, in any spelling', async () => {
    const { dir, reasonFor } = await storeWithFile()
    writeFileSync(join(dir, 'secret'), '{"lines":7}')
    for (const path of [
      '../secret',
      'out/../../secret',
      join(dir, 'secret'),
      './../secret',
      'out//result.json',
      'out/./result.json',
      '..\\secret',
      'a\0b',
      '',
      '.',
      '/',
      'tmp/x',
    ]) {
      expect([path, await reasonFor({ path })]).toEqual([path, 'outside-root'])
    }
  })

  it('are refused if a link is on the way, wherever it leads', async () => {
    const { dir, root, reasonFor } = await storeWithFile()
    writeFileSync(join(dir, 'secret'), '{"lines":7}')
    symlinkSync(join(dir, 'secret'), join(root, 'out', 'link'))
    symlinkSync('result.json', join(root, 'out', 'inner'))
    symlinkSync(dir, join(root, 'up'))
    symlinkSync('out', join(root, 'again'))
    symlinkSync('loop', join(root, 'loop'))
    expect(await reasonFor({ path: 'out/link' })).toBe('not-a-regular-file')
    expect(await reasonFor({ path: 'out/inner' })).toBe('not-a-regular-file')
    expect(await reasonFor({ path: 'up/secret' })).toBe('outside-root')
    expect(await reasonFor({ path: 'again/result.json' })).toBe('outside-root')
    expect(await reasonFor({ path: 'loop' })).toBe('not-a-regular-file')
    expect(await reasonFor({ path: 'loop/x' })).not.toBe('ok')
  })

  it('are refused if they are pipes, without waiting for a writer', async () => {
    const { root, reasonFor } = await storeWithFile()
    execFileSync('mkfifo', [join(root, 'out', 'pipe')])
    expect(await reasonFor({ path: 'out/pipe', bytes: 0 })).toBe('not-a-regular-file')
  })

  it('are what was checked even if the name is given to another file meanwhile', async () => {
    const content = 'x'.repeat(600_000)
    const { store, root, claimed } = await storeWithFile(content)
    writeFileSync(join(root, 'out', 'evil'), 'y'.repeat(600_000))
    const checking = store.check(claimed, bytesMax)
    renameSync(join(root, 'out', 'evil'), join(root, claimed.path))
    const check = await checking
    // Either it was swapped early enough to be seen, or what was opened before was copied.
    if (check.ok) expect(await contentOf(store, check.artifact)).toBe(content)
    else expect(['wrong-digest', 'not-a-regular-file']).toContain(check.reason)
  })

  it('that were damaged in the store are noticed by every reader, and healed by putting them again', async () => {
    const { store, root } = await storeWithFile()
    const stored = await store.put(chunks('precious'), bytesMax)
    chmodSync(join(root, stored.path), 0o644)
    writeFileSync(join(root, stored.path), 'previous')
    expect((await store.check(stored, bytesMax)).ok).toBe(false)
    expect(await codeOf(() => contentOf(store, stored))).toBe('ARTIFACT_MISSING')
    await store.put(chunks('precious'), bytesMax)
    expect(await contentOf(store, stored)).toBe('precious')
  })

  it('leave nothing behind when they are too large, no bytes, or their source fails', async () => {
    const { store, root } = await storeWithFile()
    const text = ['text'] as unknown as Uint8Array[]
    const failing = async function* () {
      yield Buffer.from('half')
      throw new Error('broken')
    }
    expect(await codeOf(() => store.put(chunks('12345', '67890'), 9))).toBe('ARTIFACT_TOO_LARGE')
    expect(
      await codeOf(() =>
        store.put(
          (async function* () {
            yield* text
          })(),
          9,
        ),
      ),
    ).toBe('INVALID_INPUT')
    await expect(store.put(failing(), 9)).rejects.toThrow('broken')
    expect(readdirSync(join(root, 'tmp'))).toEqual([])
  })

  it('that a dead process left unfinished are cleared away, those of the living are not', async () => {
    const { dir, root } = await storeWithFile()
    let goOn = () => {}
    const waiting = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const store = new FilesArtifacts(dir, new Lifetime())
    const begun = gate()
    const putting = store.put(
      (async function* () {
        // Asked for content, the store has its file.
        begun.open()
        yield Buffer.from('begun')
        await waiting
      })(),
      bytesMax,
    )
    await begun.opened
    await expect.poll(() => readdirSync(join(root, 'tmp'))).toHaveLength(1)
    const [ours = ''] = readdirSync(join(root, 'tmp'))
    const [scope] = ours.split('-')
    linkSync(join(root, 'tmp', ours), join(root, 'tmp', `${scope}-${process.pid}-1-dead`))
    await new FilesArtifacts(dir, new Lifetime()).put(chunks('x'), bytesMax)
    expect(readdirSync(join(root, 'tmp'))).toEqual([ours])
    goOn()
    expect(readFileSync(join(root, (await putting).path), 'utf8')).toBe('begun')
  })
})
