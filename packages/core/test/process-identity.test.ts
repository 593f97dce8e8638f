import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { isAlive, ownIdentity, parseIdentity } from '../src/runtime/process-identity.js'

describe('the identity of a process', () => {
  it('tells a live process from one that has its id now', () => {
    expect(isAlive(ownIdentity())).toBe('alive')
    expect(isAlive({ ...ownIdentity(), startedAt: '1' })).toBe('gone')
  })

  it('tells that a process has ended', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    await once(child, 'spawn')
    const identity = { ...ownIdentity(), pid: child.pid ?? 0, startedAt: null }
    expect(isAlive(identity)).toBe('unknown')
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(isAlive(identity)).toBe('gone')
  })

  it('says nothing about processes of other hosts, boots and namespaces', () => {
    expect(isAlive({ ...ownIdentity(), scope: 'elsewhere' })).toBe('unknown')
  })

  it('is read from files with care', () => {
    expect(parseIdentity(JSON.parse(JSON.stringify(ownIdentity())))).toEqual(ownIdentity())
    for (const value of [null, 1, {}, { pid: -1, startedAt: null, scope: '' }, { pid: 1, startedAt: 2, scope: '' }]) {
      expect(parseIdentity(value)).toBe(null)
    }
  })
})
