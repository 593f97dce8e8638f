import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it, type TestContext, vi } from 'vitest'
import { findServer } from '../src/find-server.js'
import type { ServerKind } from '../src/index.js'
import type { ServerBinary } from '../src/server-binary.js'

const script = fileURLToPath(new URL('fixtures/hold-servers.mjs', import.meta.url))
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reprise-orphans-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

it.for(['running', 'paused'])(
  'leaves no server and no file of a killed process behind, servers %s',
  async (how, context) => {
    const { child, ports } = await holdServers(how, context)
    expect(await Promise.all(ports.map(listens))).toEqual([true, true])
    expect(await readdir(folder)).toHaveLength(2)
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
    await gone(ports)
  },
)

it('does not keep a process alive that forgot to stop its servers, and cleans up after it', async (context) => {
  const { child, ports } = await holdServers('ends', context)
  if (child.exitCode === null) await once(child, 'exit')
  expect(child.exitCode).toBe(0)
  await gone(ports)
})

/** A process with a Redis and a NATS, and a temporary folder of its own. */
async function holdServers(how: string, context: TestContext): Promise<{ child: ChildProcess; ports: number[] }> {
  const [redis, nats] = [await localBinary('redis', context), await localBinary('nats', context)]
  const child = spawn(process.execPath, [script, how], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      TMPDIR: folder,
      REPRISE_TEST_SERVERS: 'path',
      PATH: `${dirname(redis.command)}:${dirname(nats.command)}:${process.env.PATH}`,
      ...redis.env,
    },
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return { child, ports: line.split(' ').map(Number) }
}

async function localBinary(kind: ServerKind, context: TestContext): Promise<ServerBinary> {
  const found = await findServer(kind, { private: true, env: process.env, onInstall: () => {} })
  if (found.source === 'docker' || found.source === 'url') {
    return context.skip('containers are removed by a container of testcontainers')
  }
  return found
}

/** Resolves once nothing listens on the ports and the temporary folder is empty. */
async function gone(ports: readonly number[]): Promise<void> {
  await vi.waitFor(
    async () => {
      expect(await Promise.all(ports.map(listens))).toEqual([false, false])
      expect(await readdir(folder)).toEqual([])
    },
    { timeout: 20_000, interval: 20 },
  )
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
