import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { findDebianBinary, installDebianBinary } from '../src/debian-packages.js'
import { startNats } from '../src/index.js'

let folder: string
const downloadsWithinMs = 300_000

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reprise-apt-'))
  vi.stubEnv('TMPDIR', folder)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true, force: true })
})

/** Why packages cannot be downloaded on some machines. Any other failure is one of this test. */
const noDownload = /there is no apt-get|Could not resolve|Temporary failure|Could not connect|Failed to fetch/

it(
  'unpacks a package once for all that ask at once, and again when parts of it are lost',
  async (context) => {
    expect(await findDebianBinary('nats')).toBeNull()
    const lines: string[] = []
    const install = () => installDebianBinary('nats', (line) => void lines.push(line))
    const both = await Promise.all([install(), install()]).catch((error: Error) => error)
    if (both instanceof Error) {
      context.skip(noDownload.test(both.message), `Debian packages cannot be downloaded here: ${both.message}`)
      throw both
    }
    const [{ command }, other] = both
    expect(other.command).toBe(command)
    expect(lines[0]).toContain('Unpacking the Debian package nats-server')
    const [cache] = await readdir(folder)
    expect((await readdir(join(folder, cache!))).sort()).toEqual(['lock', 'nats'])
    await rm(command)
    expect(await findDebianBinary('nats')).toBeNull()
    vi.stubEnv('REPRISE_TEST_SERVERS', 'apt')
    await using server = await startNats()
    expect(server.source).toBe('apt')
    expect(await findDebianBinary('nats')).toMatchObject({ command })
  },
  downloadsWithinMs,
)

it('refuses a folder that others can write, because programs in it are run', async (context) => {
  if (process.getuid === undefined) return context.skip('users are told apart by number only on Unix')
  const cache = join(folder, `reprise-servers-${process.getuid()}`)
  await mkdir(cache)
  await chmod(cache, 0o777)
  await expect(findDebianBinary('nats')).rejects.toThrow('can be written by one: remove it')
})
