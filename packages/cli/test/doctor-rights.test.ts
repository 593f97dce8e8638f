import { openNats } from '@reprise/adapter-nats'
import { backendRoles } from '@reprise/core/replay'
import { startNats, startRedis, type TestServer } from '@reprise/test-servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authorization, passwordOf } from '../../adapter-nats/test/acl-roles.js'
import { roles } from '../../adapter-redis/test/acl-roles.js'
import { talk } from './broken-logs/servers.js'
import { inProcess } from './in-process.js'

// The users of the adapters' READMEs: what they have is what a doctor must find to be enough, and nothing else.

const prefix = 'rights'
const userOf = { coordinator: 'coordinator', worker: 'worker', reader: 'inspector' } as const

const places = {
  redis: {
    start: async () => {
      const server = await startRedis({ private: true })
      const users = Object.entries(roles(prefix)).map(
        ([role, rules]) => `ACL SETUSER ${role} reset on >secret-of-${role} ${rules.map(quoted).join(' ')}\r\n`,
      )
      await talk(server.port, users, /^\+OK\r$/gm, users.length)
      return server
    },
    addressOf: ({ port }: TestServer, user: string) =>
      `redis://${user}:secret-of-${user}@127.0.0.1:${port}?prefix=${prefix}`,
  },
  nats: {
    start: async () => {
      const server = await startNats({ private: true, config: authorization(prefix) })
      const connection = { user: 'admin', pass: passwordOf('admin') }
      await (await openNats({ servers: server.url, prefix, connection })).close()
      return server
    },
    addressOf: ({ port }: TestServer, user: string) =>
      `nats://${user}:secret-of-${user}@127.0.0.1:${port}?prefix=${prefix}&inbox=_INBOX_${user}`,
  },
}

/** A selector is one argument, other rules are one each. */
const quoted = (rule: string): string => (rule.startsWith('(') ? `"${rule}"` : rule)

describe.each(Object.keys(places) as (keyof typeof places)[])('on %s', (kind) => {
  const { start, addressOf } = places[kind]
  let server: TestServer
  beforeAll(async () => {
    server = await start()
  })
  afterAll(() => server[Symbol.asyncDispose]())

  const levelsOf = async (user: string, role: string) => {
    const args = ['doctor', addressOf(server, user), '--role', role, '--json']
    const { code, stdout, stderr } = await inProcess(args, { cwd: '/' })
    expect(stdout + stderr).not.toContain('secret-of')
    const rights: { part: string; level: string; message: string }[] = JSON.parse(stdout).findings
    const found = rights.filter(({ part, level }) => part === 'rights' || (part === 'latency' && level !== 'ok'))
    return { code, found: found.map(({ level, message }) => `${level}: ${message}`) }
  }

  it.each(backendRoles)('finds that the user of a %s has the rights of that role', async (role) => {
    const { found } = await levelsOf(userOf[role], role)
    // By the README, who inspects on NATS sees logs, leases and artifacts; the queue's stream holds the work itself.
    const notAll = /^warning: This user may not find attempts in the queue/
    const all = new RegExp(`^ok: This user may do what a ${role} needs`)
    expect(found).toEqual([expect.stringMatching(kind === 'nats' && role === 'reader' ? notAll : all)])
  })

  it('finds that the user of a worker is no coordinator', async () => {
    const { code, found } = await levelsOf('worker', 'coordinator')
    expect(code).toBe(1)
    expect(found).toContainEqual(
      expect.stringMatching(/^problem: A coordinator must hold a run, and this user may not/),
    )
  })
})
