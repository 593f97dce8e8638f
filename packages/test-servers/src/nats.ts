import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { containerImage } from './environment.js'
import { askNats } from './nats-ready.js'
import { startServer } from './start-server.js'
import type { StartServerOptions, TestServer } from './test-server.js'

export interface StartNatsOptions extends StartServerOptions {
  /** More lines of server configuration, for example an `authorization` block. */
  readonly config?: string
  /** What JetStream may store, in bytes. Default: what the disk holds. */
  readonly storeBytesMax?: number
}

const insidePort = 4222
const insideConfig = '/etc/reprise-nats.conf'

/** A NATS server with JetStream on files for one test. One with a configuration of its own is private. Resolves once JetStream answers; rejects saying what was tried. */
export function startNats({
  bind = '127.0.0.1',
  config = '',
  storeBytesMax,
  private: isPrivate = bind !== '127.0.0.1' || config !== '' || storeBytesMax !== undefined,
}: StartNatsOptions = {}): Promise<TestServer> {
  // The name tells our server from another one that took the port first.
  const name = `reprise-${randomUUID()}`
  const storeMax = storeBytesMax === undefined ? '' : `, max_file_store: ${storeBytesMax}`
  const configuration = (host: string, port: number, store: string) =>
    `server_name: ${name}\nhost: ${JSON.stringify(host)}\nport: ${port}\n` +
    `jetstream { store_dir: ${JSON.stringify(store)}${storeMax} }\n${config}\n`
  return startServer(
    {
      kind: 'nats',
      bind,
      configure: async (folder, port) => {
        const file = join(folder, 'nats.conf')
        await writeFile(file, configuration(bind, port, join(folder, 'jetstream')))
        return ['-c', file]
      },
      container: {
        image: containerImage('nats', process.env),
        port: insidePort,
        command: ['-c', insideConfig],
        files: [{ target: insideConfig, content: configuration('0.0.0.0', insidePort, '/data/jetstream') }],
        readyLine: /Server is ready/,
      },
      ask: async (target) => ({ pid: null, named: (await askNats(target)).name === name }),
    },
    isPrivate,
  )
}
