import { spawn } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRun } from '../src/coordinator/open-run.js'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import { stateFileAt } from '../src/runtime/state-file-at.js'
import { goal } from './run-stage.js'

let dir = ''
let path = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'reprise-state-file-'))
  path = join(dir, 'docs', 'deep', 'state.md')
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const names = async () => (await readdir(join(path, '..'))).sort()

describe('a state file on a disk', () => {
  it('makes its folders, and replaces only what the caller has seen', async () => {
    const store = stateFileAt(path)
    expect(await store.read()).toBe(null)
    expect(await store.replace('one', 'something else')).toBe(false)
    expect(await store.read()).toBe(null)
    expect(await store.replace('one', null)).toBe(true)
    expect(await store.replace('two', null)).toBe(false)
    expect(await store.replace('two', 'one')).toBe(true)
    expect([await store.read(), await names()]).toEqual(['two', ['state.md']])
  })

  it('is whole whenever another process looks', async () => {
    const script = join(import.meta.dirname, 'replace-file.mjs')
    const writer = spawn(process.execPath, [script, path, '300'], { stdio: ['ignore', 'inherit', 'inherit'] })
    const ended = new Promise<number | null>((resolve) => writer.on('close', resolve))
    const seen = new Set<string>()
    let isOver = false
    void ended.then(() => {
      isOver = true
    })
    while (!isOver) {
      const text = await readFile(path, 'utf8').catch(() => '')
      const [first = ''] = text
      if (text !== first.repeat(text.length)) expect.fail(`a part of a file was seen: ${text.length} characters`)
      if (text !== '') expect(text.length).toBeGreaterThanOrEqual(100_000)
      seen.add(first)
    }
    expect(await ended).toBe(0)
    expect(seen.size).toBeGreaterThan(2)
    expect(await names()).toEqual(['state.md'])
  }, 60_000)

  it('keeps what somebody wrote byte for byte, once, with the permissions of the file', async () => {
    const store = stateFileAt(path)
    await store.replace('one', null)
    const edit = Buffer.from([0x23, 0xff, 0x00, 0xfe, 0x0a])
    await writeFile(path, edit)
    await chmod(path, 0o640)
    const text = (await store.read()) ?? ''
    const kept = await store.keepAside(text)
    expect(await readFile(kept)).toEqual(edit)
    expect(await store.keepAside(text)).toBe(kept)
    expect(await store.replace('two', text)).toBe(true)
    for (const each of [path, kept]) expect((await stat(each)).mode & 0o777).toBe(0o640)
    expect(await names()).toEqual(['state.md', expect.stringMatching(/^state\.md\.kept-[0-9a-f]{12}$/)])
  })

  it('writes a kept text again of which a part is there', async () => {
    const store = stateFileAt(path)
    await store.replace('an edit', null)
    const kept = await store.keepAside((await store.read()) ?? '')
    await writeFile(kept, 'an e')
    expect(await store.keepAside('an edit')).toBe(kept)
    expect(await readFile(kept, 'utf8')).toBe('an edit')
  })

  it('removes drafts of processes that were killed with its next write, and nothing else', async () => {
    const store = stateFileAt(path)
    await store.replace('one', null)
    const others = ['state.md.draft-1', `other.md.draft-${'0'.repeat(16)}`, `state.md.draft-${'g'.repeat(16)}`]
    for (const name of [...others, `state.md.draft-${'0'.repeat(16)}`]) await writeFile(join(path, '..', name), '')
    await store.replace('two', 'one')
    expect(await names()).toEqual([...others, 'state.md'].sort())
  })

  it('does not write through a link', async () => {
    const precious = join(dir, 'precious')
    await writeFile(precious, 'keep me')
    path = join(dir, 'state.md')
    await symlink(precious, path)
    expect(await stateFileAt(path).replace('one', 'keep me')).toBe(true)
    expect([await readFile(precious, 'utf8'), await readFile(path, 'utf8')]).toEqual(['keep me', 'one'])
  })

  it('refuses to read a file that is no state file by its size', async () => {
    path = join(dir, 'film')
    await writeFile(path, Buffer.alloc(9 * 1024 * 1024))
    await expect(stateFileAt(path).read()).rejects.toThrow(/film has 9437184 bytes.*name another file/)
  })
})

describe('a run with a state file', () => {
  it.each([
    ['a path', (target: string) => target],
    ['a store', (target: string) => stateFileAt(target)],
  ])('takes %s', async (_, stateFile) => {
    const run = await openRun({ adapter: memoryAdapter(), runId: 'run-1', goal, stateFile: stateFile(path) })
    await run.close()
    expect(await readFile(path, 'utf8')).toContain('# State of run `run-1`')
  })

  it('keeps it at docs/<run id>-state.md if told no more than to keep one', async () => {
    const script = `
      import { openRun } from '@reprise/core'
      import { memoryAdapter } from '@reprise/core/testing'
      process.chdir(${JSON.stringify(dir)})
      const run = await openRun({ adapter: memoryAdapter(), runId: 'run-1', goal: 'x', stateFile: true })
      await run.close()
    `
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: import.meta.dirname })
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0)
    expect(await readdir(join(dir, 'docs'))).toEqual(['run-1-state.md'])
  })

  it.each([[''], [7], [{}], [null]])('refuses %j as one', async (stateFile) => {
    const opening = openRun({ adapter: memoryAdapter(), runId: 'run-1', goal, stateFile: stateFile as string })
    await expect(opening).rejects.toMatchObject({ code: 'INVALID_INPUT', details: { path: ['stateFile'] } })
  })
})
