import { randomUUID } from 'node:crypto'
import { ProcessFleet, type SinglePlace } from '@reprise/test-fleet'
import { startNats, startRedis, type TestServer } from '@reprise/test-servers'
import { afterAll, afterEach, beforeAll } from 'vitest'

/** On a server. */
type ServerPlace = Extract<SinglePlace, { prefix: string }>

/** A server that runs may live on. */
export interface Backend {
  readonly name: 'redis' | 'nats'
  /** An empty server that nobody else uses, set to lose nothing that it has acknowledged when it is killed. */
  start(bind?: string): Promise<TestServer>
  place(url: string, prefix: string): ServerPlace
}

export const redis: Backend = {
  name: 'redis',
  start: (bind = '127.0.0.1') => startRedis({ private: true, bind, settings: { appendfsync: 'always' } }),
  place: (url, prefix) => ({ redis: url, prefix }),
}

export const nats: Backend = {
  name: 'nats',
  start: (bind = '127.0.0.1') => startNats({ private: true, bind }),
  place: (url, prefix) => ({ nats: url, prefix }),
}

export const backends: readonly Backend[] = [redis, nats]

/** A server and the processes around it, for the tests of one `describe`. */
export interface Stage {
  readonly server: TestServer
  readonly fleet: ProcessFleet
  /** Where nobody has been yet. Through a proxy if its URL is given. */
  newPlace(url?: string): ServerPlace
}

/** Starts a server before the tests of this `describe`, and ends it, and every process, afterwards. */
export function useBackend(backend: Backend): Stage {
  const fleet = new ProcessFleet()
  let server: TestServer | undefined
  const started = (): TestServer => {
    if (server === undefined) throw new Error('The server is started before the first test, not earlier.')
    return server
  }
  beforeAll(async () => {
    server = await backend.start()
  }, 120_000)
  afterEach(() => fleet.endAll())
  afterAll(() => server?.stop())
  return {
    get server() {
      return started()
    },
    fleet,
    newPlace: (url = started().url) => backend.place(url, newPrefix()),
  }
}

export const newPrefix = (): string => `fleet-${randomUUID().slice(0, 8)}`
