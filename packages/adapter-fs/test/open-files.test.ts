import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { classifyFileSystem, type FileSystemKind } from '../src/file-system-kind.js'
import { openFiles, openFilesOn } from '../src/open-files.js'
import { codeOf, temporaryFolders } from './history.js'

const newFolder = temporaryFolders()
const on = (kind: FileSystemKind) => async () => kind

describe('opening a folder', () => {
  it('makes what is missing, writes the format once, and gives the real path', async () => {
    const dir = await newFolder()
    symlinkSync(dir, join(dir, 'link'))
    const adapter = await openFiles({ dir: join(dir, 'link', 'deep', 'inside') })
    expect(adapter.dir).toBe(join(dir, 'deep', 'inside'))
    expect(readFileSync(join(adapter.dir, 'FORMAT'), 'utf8')).toBe('reprise files 1\n')
    const others = await Promise.all(Array.from({ length: 5 }, () => openFiles({ dir: join(dir, 'new') })))
    expect(readdirSync(join(dir, 'new'))).toEqual(['FORMAT'])
    for (const one of [adapter, ...others]) await one.close()
  })

  it('refuses a folder of a later version, one that is not ours, and what is no folder', async () => {
    const dir = await newFolder()
    for (const [text, code] of [
      ['reprise files 2\n', 'LOG_TOO_NEW'],
      ['something else', 'INVALID_INPUT'],
      ['', 'INVALID_INPUT'],
    ]) {
      writeFileSync(join(dir, 'FORMAT'), text ?? '')
      expect(await codeOf(() => openFiles({ dir }))).toBe(code)
    }
    expect(await codeOf(() => openFiles({ dir: join(dir, 'FORMAT') }))).toBe('INVALID_INPUT')
    expect(await codeOf(() => openFiles({ dir: join(dir, 'FORMAT', 'below') }))).toBe('INVALID_INPUT')
  })

  it('refuses options that are missing, mistyped or misspelt', async () => {
    const dir = await newFolder()
    const mkdir = join(dir, 'x')
    mkdirSync(mkdir)
    for (const options of [
      {},
      undefined,
      { dir: '' },
      { dir: 7 },
      { dir: 'a\0b' },
      { dir, allowNetworkFileSystem: 'yes' },
      { dir, directory: dir },
    ]) {
      expect(await codeOf(() => openFiles(options as { dir: string }))).toBe('INVALID_INPUT')
    }
  })

  it('refuses network file systems unless it is forced, and makes nothing there', async () => {
    const dir = await newFolder()
    const nfs = classifyFileSystem(0x6969, 'nfs4')
    expect(await codeOf(() => openFilesOn({ dir }, on(nfs)))).toBe('UNSAFE_FILE_SYSTEM')
    expect(readdirSync(dir)).toEqual([])
    const forced = await openFilesOn({ dir, allowNetworkFileSystem: true }, on(nfs))
    await forced.close()
  })

  it('closes once, however often it is asked to', async () => {
    const adapter = await openFiles({ dir: await newFolder() })
    await Promise.all([adapter.close(), adapter.close()])
    await adapter.close()
    expect(await codeOf(() => adapter.diagnose())).toBe('CLOSED')
  })
})

describe('a file system', () => {
  it.each([
    [0xef53, 'ext4', 'local'],
    [0x58465342, 'xfs', 'local'],
    [0x9123683e, 'btrfs', 'local'],
    [0x794c7630, 'overlay', 'local'],
    [0x01021994, 'tmpfs', 'memory'],
    [0x6969, 'nfs4', 'network'],
    [0xff534d42, 'cifs', 'network'],
    [-11317950, 'cifs', 'network'],
    [0xfe534d42, 'smb3', 'network'],
    [0x01021997, '9p', 'network'],
    [0x65735546, 'fuse.sshfs', 'network'],
    [0x65735546, 'fuse.rclone', 'network'],
    [0x65735546, 'fuse.s3fs', 'network'],
    [0x65735546, 'fuseblk', 'local'],
    [0x65735546, 'virtiofs', 'shared'],
    [0x65735546, null, 'shared'],
    [0x12345678, 'newfs', 'unknown'],
  ])('with the number %i, mounted as %s, is taken for %s', (magic, mountType, trust) => {
    expect(classifyFileSystem(magic, mountType).trust).toBe(trust)
  })
})

describe('the diagnosis', () => {
  it('tells file system, space, cost of a sync and what is guaranteed, and leaves nothing behind', async () => {
    const dir = await newFolder()
    const adapter = await openFiles({ dir })
    const { durable, findings } = await adapter.diagnose()
    expect(['os', 'process']).toContain(durable)
    expect(findings.map(({ name }) => name)).toEqual(['file-system', 'free-space', 'sync-cost', 'watch', 'clock'])
    expect(findings.find(({ name }) => name === 'sync-cost')?.figures).toMatchObject({
      fdatasyncMedianMs: expect.any(Number),
      fdatasyncMaxMs: expect.any(Number),
    })
    for (const { level, remedy } of findings) expect(level === 'ok' || remedy !== undefined).toBe(true)
    expect(readdirSync(dir)).toEqual(['FORMAT'])
    await adapter.close()
  })

  it('tells that this user may not write there, and what else it found', async () => {
    const dir = await newFolder()
    const adapter = await openFiles({ dir })
    const isRoot = process.geteuid?.() === 0
    chmodSync(dir, 0o555)
    if (isRoot) process.seteuid?.(65_534)
    const { findings } = await adapter.diagnose().finally(() => {
      if (isRoot) process.seteuid?.(0)
      chmodSync(dir, 0o755)
    })
    expect(findings.map(({ name }) => name)).toEqual(['file-system', 'free-space', 'sync-cost'])
    expect(findings[2]).toMatchObject({ level: 'warning', message: expect.stringContaining(dir) })
    await adapter.close()
  })
})
