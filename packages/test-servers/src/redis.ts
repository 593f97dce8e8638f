import { containerImage } from './environment.js'
import { askRedis } from './redis-ready.js'
import { startServer } from './start-server.js'
import type { StartServerOptions, TestServer } from './test-server.js'

export interface StartRedisOptions extends StartServerOptions {
  /** Configuration, name to value, over the defaults: AOF flushed every second, no snapshots, no eviction. */
  readonly settings?: Readonly<Record<string, string>>
}

const defaultSettings: Readonly<Record<string, string>> = {
  appendonly: 'yes',
  appendfsync: 'everysec',
  'maxmemory-policy': 'noeviction',
  save: '',
}

/** A Redis for one test, empty unless `shared`. One with settings of its own is private. Resolves once it answers PING; rejects saying what was tried. */
export function startRedis({
  bind = '127.0.0.1',
  settings = {},
  private: isPrivate = bind !== '127.0.0.1' || Object.keys(settings).length > 0,
}: StartRedisOptions = {}): Promise<TestServer> {
  const listen = bind === '127.0.0.1' ? {} : { 'protected-mode': 'no' }
  return startServer(
    {
      kind: 'redis',
      bind,
      configure: async (dir, port) => toArguments({ bind, port: String(port), dir, ...listen, ...settings }),
      container: {
        image: containerImage('redis', process.env),
        port: 6379,
        command: ['redis-server', ...toArguments({ dir: '/data', 'protected-mode': 'no', ...settings })],
        files: [],
        readyLine: /Ready to accept connections/,
      },
      ask: async (target) => ({ pid: (await askRedis(target)).pid, named: null }),
    },
    isPrivate,
  )
}

const toArguments = (settings: Readonly<Record<string, string>>): string[] =>
  Object.entries({ ...defaultSettings, ...settings }).flatMap(([name, value]) => [`--${name}`, value])
