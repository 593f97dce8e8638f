import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectNats } from '@nats-io/transport-node'
import { startNats, startRedis, type TestServer } from '@reprise/test-servers'
import { type Backend, nats, redis } from './backends.js'

/** A backend whose server takes no more writes until `free` is called. */
interface FillableBackend {
  readonly backend: Backend
  start(): Promise<TestServer>
  fill(server: TestServer): Promise<void>
  free(server: TestServer): Promise<void>
}

const ballast = 'BALLAST'
/** Enough for the streams of an adapter and a few small runs. */
const storeBytesMax = 8 * 1024 * 1024

export const fillableBackends: readonly FillableBackend[] = [
  {
    backend: redis,
    start: () => startRedis({ private: true }),
    fill: (server) => tellRedis(server, 'CONFIG SET maxmemory 1'),
    free: (server) => tellRedis(server, 'CONFIG SET maxmemory 0'),
  },
  {
    backend: nats,
    start: () => startNats({ storeBytesMax }),
    fill: async (server) => {
      await askNats(server, async (ask) => {
        await ask(`$JS.API.STREAM.CREATE.${ballast}`, JSON.stringify({ name: ballast, subjects: [ballast] }))
        // The server looks at its limit before it stores: what takes it past the limit is taken.
        while (!(await ask(ballast, 'x'.repeat(512 * 1024))).includes('insufficient resources'));
      })
    },
    free: async (server) => {
      await askNats(server, async (ask) => void (await ask(`$JS.API.STREAM.PURGE.${ballast}`, '')))
    },
  },
]

async function tellRedis({ host, port }: TestServer, command: string): Promise<void> {
  const socket = connect({ host, port }).setEncoding('utf8')
  socket.write(`${command}\r\n`)
  const [answer] = (await once(socket, 'data')) as [string]
  socket.destroy()
  if (!answer.startsWith('+OK')) throw new Error(`${command}: ${answer}`)
}

async function askNats(
  { url }: TestServer,
  talk: (ask: (subject: string, text: string) => Promise<string>) => Promise<void>,
): Promise<void> {
  const client = await connectNats({ servers: url })
  await talk(async (subject, text) => (await client.request(subject, text, { timeout: 20_000 })).string())
  await client.close()
}
