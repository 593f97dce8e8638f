import { openAdapterProcess, testAdapter } from '@reprise/conformance'
import { startRedis, type TestServer } from '@reprise/test-servers'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRedis } from '../src/index.js'
import { patientMs } from './deadlines.js'

const script = new URL('./adapter-process.mjs', import.meta.url)
let server: TestServer
const prefix = `conformance-${process.pid}`
let tests = 0

beforeAll(async () => {
  server = await startRedis()
})
afterAll(async () => {
  if (server.shared) await removeKeys()
  await server[Symbol.asyncDispose]()
})

/** What the tests have left on a server that others use as well. */
async function removeKeys(): Promise<void> {
  const client = new Redis(server.url)
  for await (const keys of client.scanStream({ match: `{${prefix}-*`, count: 1_000 })) {
    if (keys.length > 0) await client.unlink(...keys)
  }
  client.disconnect()
}

const create = async () => {
  tests++
  const options = { url: server.url, prefix: `${prefix}-${tests}`, commandTimeoutMs: patientMs }
  return { open: () => openRedis(options), openMortal: () => openAdapterProcess(script, options) }
}
// The server goes with everything on it, or is cleared at the end.
const teardown = async () => {}

testAdapter(
  {
    name: 'redis',
    create,
    teardown,
    capabilities: { artifacts: true, snapshots: true, summaries: true, earlierWorkers: true },
    ttlMs: 1_500,
  },
  { describe, it, expect },
)
