import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lease, LeaseHolder } from '@reprise/core/adapter'
import { ownIdentity } from '@reprise/core/adapter'
import { describe, expect, it } from 'vitest'
import { FilesLeases } from '../src/files-leases.js'
import { Lifetime } from '../src/lifetime.js'
import { startChild } from './child.js'
import { codeOf, temporaryFolders } from './history.js'

const newFolder = temporaryFolders()
const open = (dir: string) => new FilesLeases(dir, new Lifetime())
const holder = (id: string) => ({ id, host: 'here', pid: process.pid })

/**
 * Processes that ask for the same leases at the same moments, and are killed by their own hand when all have asked. What
 * they printed until then.
 */
async function killedTakers(dir: string, labels: readonly string[], count: number): Promise<string[]> {
  const takers = labels.map((label) => startChild('./take-leases.mjs', [dir, label, String(count), '12']))
  await Promise.all(takers.map((taker) => taker.saw('ready')))
  for (const { process } of takers) process.stdin.write(String(Date.now() + 200))
  await Promise.all(takers.map((taker) => taker.saw('done')))
  for (const { process } of takers) process.stdin.end()
  await Promise.all(takers.map((taker) => taker.ended.catch(() => {})))
  for (const { lines } of takers) expect([lines[0], lines.at(-1)]).toEqual(['ready', 'done'])
  return takers.flatMap(({ lines }) => lines.slice(1, -1))
}

function granted(answer: Lease | LeaseHolder): Lease {
  if (!answer.held) throw new Error(`held by ${answer.holder.id}`)
  return answer
}

describe('leases', () => {
  it('have exactly one holder after 200 double starts of three processes, free or left behind by the dead', async () => {
    const dir = await newFolder()
    await killedTakers(dir, ['dead'], 100)
    const given = await killedTakers(dir, ['a', 'b', 'c'], 200)
    const expected = Array.from({ length: 200 }, (_, i) => `${i} ${i < 100 ? 'process-gone' : 'free'} kept`)
    expect(given.sort()).toEqual(expected.sort())
  })

  it('of a process that is gone are taken over at once, and are shown to nobody', async () => {
    const dir = await newFolder()
    await killedTakers(dir, ['dead'], 1)
    const leases = open(dir)
    const holders: LeaseHolder[] = []
    for await (const found of leases.holders('')) holders.push(found)
    expect(holders).toEqual([])
    const { takenFrom } = granted(await leases.acquire('run/0', holder('heir'), 60_000))
    expect([takenFrom?.reason, takenFrom?.holder.id]).toEqual(['process-gone', 'dead'])
  })

  it('of a process in another place, or on another boot of this one, are waited for', async () => {
    const dir = await newFolder()
    await killedTakers(dir, ['dead'], 1)
    const path = join(dir, 'leases', 'run%002f0.json')
    const record = JSON.parse(readFileSync(path, 'utf8'))
    record.process.scope = 'elsewhere'
    writeFileSync(path, JSON.stringify(record))
    expect((await open(dir).acquire('run/0', holder('heir'), 60_000)).held).toBe(false)
  })

  it('are not taken from a live process before their time, and are when it has passed', async () => {
    const dir = await newFolder()
    const [one, other] = [open(dir), open(dir)]
    await one.acquire('run/x', holder('a'), 3_600_000)
    expect((await other.acquire('run/x', holder('b'), 60_000)).held).toBe(false)
    const path = join(dir, 'leases', 'run%002fx.json')
    const record = JSON.parse(readFileSync(path, 'utf8'))
    writeFileSync(path, JSON.stringify({ ...record, heartbeatAt: new Date(Date.now() - 3_601_000).toISOString() }))
    expect(granted(await other.acquire('run/x', holder('b'), 60_000)).takenFrom?.reason).toBe('lease-expired')
  })

  it('run out even if the clock was set back after the last heartbeat', async () => {
    const dir = await newFolder()
    const [one, other] = [open(dir), open(dir)]
    await one.acquire('run/x', holder('a'), 100)
    const path = join(dir, 'leases', 'run%002fx.json')
    const record = JSON.parse(readFileSync(path, 'utf8'))
    writeFileSync(path, JSON.stringify({ ...record, heartbeatAt: new Date(Date.now() + 3_600_000).toISOString() }))
    const deadline = Date.now() + 10_000
    let answer = await other.acquire('run/x', holder('b'), 60_000)
    expect(answer.held).toBe(false)
    while (!answer.held && Date.now() < deadline) answer = await other.acquire('run/x', holder('b'), 60_000)
    expect(granted(answer).takenFrom?.reason).toBe('lease-expired')
  })

  it('that cannot be read belong to nobody', async () => {
    const dir = await newFolder()
    const leases = open(dir)
    await leases.acquire('run/x', holder('a'), 60_000)
    for (const text of ['', '{"name":', 'null', '[]', '{"name":"run/x","holder":null}']) {
      writeFileSync(join(dir, 'leases', 'run%002fx.json'), text)
      expect([text, (await leases.acquire('run/x', holder('b'), 60_000)).held]).toEqual([text, true])
    }
  })

  it('change hands although a process died, or was stopped, in the middle of changing them', async () => {
    const dir = await newFolder()
    const leases = open(dir)
    const lease = granted(await leases.acquire('run/x', holder('a'), 60_000))
    const turn = join(dir, 'leases', 'run%002fx.turn')
    writeFileSync(turn, JSON.stringify({ ...ownIdentity(), startedAt: '1', nonce: 'dead' }))
    expect(await leases.renew(lease)).toBe(true)
    writeFileSync(turn, JSON.stringify({ ...ownIdentity(), nonce: 'stopped' }))
    const longAgo = new Date(Date.now() - 60_000)
    utimesSync(turn, longAgo, longAgo)
    expect(await leases.renew(lease)).toBe(true)
    expect(readdirSync(join(dir, 'leases'))).toEqual(['run%002fx.json'])
  })

  it('of holders that have been dead for days leave no files', async () => {
    const dir = await newFolder()
    const leases = open(dir)
    await leases.acquire('worker/x', holder('a'), 1000)
    const path = join(dir, 'leases', 'worker%002fx.json')
    const record = JSON.parse(readFileSync(path, 'utf8'))
    writeFileSync(path, JSON.stringify({ ...record, heartbeatAt: new Date(Date.now() - 2 * 86_400_000).toISOString() }))
    for await (const found of leases.holders('worker/')) expect(found).toBe('nothing')
    expect(statSync(path, { throwIfNoEntry: false })).toBe(undefined)
  })

  it('refuse a ttl that is no time, and a note that is too large', async () => {
    const leases = open(await newFolder())
    for (const ttl of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(await codeOf(() => leases.acquire('run/x', holder('a'), ttl))).toBe('INVALID_INPUT')
    }
    const lease = granted(await leases.acquire('run/x', holder('a'), 60_000))
    expect(await codeOf(() => leases.renew(lease, 'x'.repeat(17_000)))).toBe('TOO_LARGE')
  })
})
