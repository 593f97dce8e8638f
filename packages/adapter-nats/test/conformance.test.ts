import { openAdapterProcess, testAdapter } from '@reprise/conformance'
import { startNats, type TestServer } from '@reprise/test-servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openNats } from '../src/index.js'
import { removeStreams, uniquePrefix } from './nats-facts.js'

const script = new URL('./adapter-process.mjs', import.meta.url)
let server: TestServer

beforeAll(async () => {
  server = await startNats()
})
afterAll(async () => {
  await server.stop()
})

const create = async () => {
  const options = { servers: server.url, prefix: uniquePrefix() }
  return { ...options, open: () => openNats(options), openMortal: () => openAdapterProcess(script, options) }
}
const teardown = ({ servers, prefix }: { servers: string; prefix: string }) => removeStreams(servers, prefix)

testAdapter(
  { name: 'nats', create, teardown, capabilities: { artifacts: true, snapshots: true, summaries: true }, ttlMs: 1_500 },
  { describe, it, expect },
)
