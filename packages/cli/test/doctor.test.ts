import { mkdtempSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFiles } from '@reprise/adapter-fs'
import { openNats } from '@reprise/adapter-nats'
import { openRedis } from '@reprise/adapter-redis'
import type { Adapter } from '@reprise/core'
import { startNats, startRedis, type TestServer } from '@reprise/test-servers'
import { afterAll, describe, expect, it } from 'vitest'
import { doctor } from '../src/commands/doctor.js'
import { nodeFinding } from '../src/process-findings.js'
import { talk } from './broken-logs/servers.js'
import { reprise, repriseJson } from './reprise.js'

const cwd = mkdtempSync(join(tmpdir(), 'reprise-doctor-'))
const prefix = `doctor-${process.pid}`
const servers: TestServer[] = []
afterAll(async () => {
  await rm(cwd, { recursive: true, force: true })
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
})
const started = async (server: Promise<TestServer>): Promise<string> => {
  servers.push(await server)
  return (await server).url
}

interface Place {
  /** Where it is, and an adapter that looks at what is left. */
  readonly address: string
  readonly open: () => Promise<Adapter>
}

const places: Record<string, () => Promise<Place>> = {
  files: async () => {
    const open = () => openFiles({ dir: join(cwd, 'there') })
    await (await open()).close()
    return { address: 'there', open }
  },
  redis: async () => {
    const url = await started(startRedis())
    return { address: `${url}?prefix=${prefix}`, open: () => openRedis({ url, prefix }) }
  },
  nats: async () => {
    const url = await started(startNats())
    const open = () => openNats({ servers: url, prefix })
    await (await open()).close()
    return { address: `${url}?prefix=${prefix}`, open }
  },
}

interface Found {
  readonly part: string
  readonly name: string
  readonly level: string
  readonly remedy: string | null
  readonly figures: Record<string, unknown> | null
}
const namesOf = (findings: readonly Found[], part: string) =>
  findings.filter((finding) => finding.part === part).map(({ name }) => name)

describe.each(Object.keys(places))('doctor on %s', (kind) => {
  it('tells what is guaranteed, latencies, clocks and rights, each with a remedy where there is something to mend, and leaves nothing', async () => {
    const { address, open } = (await places[kind]?.()) ?? expect.fail()
    const { code, json, stderr } = await repriseJson(['doctor', address], { cwd })
    expect(doctor.schema.parse(json)).toEqual(json)
    const findings: Found[] = json.findings
    expect({ stderr, code, adapter: json.adapter }).toEqual({
      ...{ stderr: '', adapter: kind },
      code: findings.some(({ level }) => level === 'problem') ? 1 : 0,
    })
    expect(json.guarantee).toMatch(/^A reported commit survives /)
    for (const { level, remedy } of findings) expect(level === 'ok' || remedy !== null).toBe(true)
    const clock = findings.find(({ name }) => name === 'clock')
    expect(Math.abs(Number(clock?.figures?.clockSkewMs))).toBeLessThan(60_000)
    const latencies = kind === 'nats' ? [] : ['append-latency', 'wake-up-latency', 'read-latency']
    expect(namesOf(findings, 'latency')).toEqual(latencies)
    expect(findings.filter(({ part }) => part === 'rights')).toMatchObject([{ name: 'rights', level: 'ok' }])
    expect(namesOf(findings, 'process')).toEqual(expect.arrayContaining(['node', 'open-files']))

    const adapter = await open()
    const left: unknown[] = []
    for await (const run of adapter.log.list()) left.push(run)
    for await (const holder of adapter.leases.holders('')) left.push(holder)
    await adapter.close()
    expect(left).toEqual([])
    if (kind !== 'files') return
    expect((await readdir(join(cwd, 'there'))).filter((name) => name.startsWith('.'))).toEqual([])
  })
})

it('makes no run on NATS, where none can be removed, however the address is written', async () => {
  const url = await started(startNats())
  const [name, address] = [`${prefix}-upper`, url.replace('nats:', 'NATS:')]
  await (await openNats({ servers: url, prefix: name })).close()
  const { code, json } = await repriseJson(['doctor', `${address}?prefix=${name}`])
  expect([code, namesOf(json.findings, 'latency')]).toEqual([0, []])
})

it('only looks with --no-measure', async () => {
  const dir = join(cwd, 'looked-at')
  await (await openFiles({ dir })).close()
  const { json } = await repriseJson(['doctor', dir, '--no-measure', '--role', 'reader'], { cwd })
  expect(json).toMatchObject({ measured: false, role: 'reader', adapter: 'files' })
  expect(namesOf(json.findings, 'latency')).toEqual([])
  expect(namesOf(json.findings, 'backend')).toEqual(['file-system', 'free-space'])
  expect(await readdir(dir)).toEqual(['FORMAT'])
})

it('tells of settings under which the backend refuses to open, and ends with 1', async () => {
  const url = await started(startRedis({ settings: { 'maxmemory-policy': 'allkeys-lru' }, private: true }))
  const { code, stdout } = await reprise(['doctor', url])
  expect(code).toBe(1)
  expect(stdout).toMatch(/^To mend\n {2}unsafe-server: .*allkeys-lru.*noeviction/m)
})

it('says which rights are missing for a role, and what to do', async () => {
  const url = new URL(await started(startRedis({ private: true })))
  const admin = await reprise(['doctor', '--at', url.href, '--no-measure'])
  expect(admin.stdout).toContain('This user may do what a coordinator needs')
  const lookOnly = `user looker on >password-looker ~* &* -@all +ping +info +time +eval +evalsha +hmget +xlen +xrange +zrange`
  await talk(Number(url.port), [`ACL SETUSER ${lookOnly.slice(5)}\r\n`], /^\+OK\r$/gm, 1)
  url.username = 'looker'
  url.password = 'password-looker'
  const looker = await reprise(['doctor', '--at', url.href, '--no-measure'])
  expect(looker.code).toBe(1)
  expect(looker.stdout).toMatch(
    /^ {2}rights: A coordinator must hold a run, and this user may not: .*\n {4}→ Give this user the rights/m,
  )
  expect(looker.stdout + looker.stderr).not.toContain('password-looker')
})

it('ends with 5 and says what was tried if the server is away, and with 3 if the folder is', async () => {
  const away = await repriseJson(['doctor', 'redis://127.0.0.1:1'])
  expect(away).toMatchObject({ code: 5, json: { error: { message: expect.stringContaining('127.0.0.1:1') } } })
  const none = await repriseJson(['doctor', join(cwd, 'nowhere')])
  expect(none).toMatchObject({ code: 3, json: { error: { message: expect.stringContaining('nowhere') } } })
})

it('knows versions of Node.js that are too old, or without long-term support', () => {
  const levels = ['18.20.0', '20.18.3', '20.19.0', '22.1.0', '23.0.0', '24.0.0'].map((v) => nodeFinding(v).level)
  expect(levels).toEqual(['problem', 'problem', 'ok', 'ok', 'warning', 'ok'])
})
