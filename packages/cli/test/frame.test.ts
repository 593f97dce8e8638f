import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFiles } from '@reprise/adapter-fs'
import { openRun } from '@reprise/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { groups, registry } from '../src/registry.js'
import { inProcess } from './in-process.js'
import { command, reprise, repriseJson, startReprise } from './reprise.js'

let folder = ''
const empty = () => join(folder, 'empty')
const place = () => join(folder, 'project', '.reprise')

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reprise-frame-'))
  mkdirSync(empty())
  mkdirSync(join(folder, 'project', 'src', 'deep'), { recursive: true })
  const adapter = await openFiles({ dir: place() })
  const run = await openRun({ adapter, runId: 'seen', goal: 'be \u001b[31mseen\u202e' })
  await run.close()
  await adapter.close()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a command line', () => {
  it('that is not understood ends with 2, says why on standard error, and does nothing', async () => {
    for (const args of [['statu'], ['status'], ['status', 'a', 'b'], ['status', 'a', '--nope'], ['status', '..']]) {
      const { code, stdout, stderr } = await reprise(args, { cwd: join(folder, 'project') })
      expect([args, code, stdout]).toEqual([args, 2, ''])
      expect(stderr).not.toBe('')
      expect(stderr).not.toMatch(/^\s+at /m)
    }
    expect((await reprise(['statu'])).stderr).toContain('Did you mean one of stats, status?')
  })

  it('without a command prints what there is, and ends with 2', async () => {
    const { code, stderr } = await reprise([])
    expect(code).toBe(2)
    expect(stderr).toContain('Look at runs:')
  })

  it('that asks for help or the version gets it on standard output, and 0', async () => {
    const help = await reprise(['--help'])
    expect(help.code).toBe(0)
    for (const { name } of registry) expect(help.stdout).toMatch(new RegExp(`^ {2}${name.split(' ')[0]}\\b`, 'm'))
    expect((await reprise(['help', 'status'])).stdout).toBe((await reprise(['status', '--help'])).stdout)
    const version = await reprise(['--version'])
    expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
  })

  it('can ask each command for help', async () => {
    for (const { name } of registry) {
      const { code, stdout } = await inProcess([...name.split(' '), '--help'])
      expect([name, code]).toEqual([name, 0])
      expect(stdout).toContain(`Usage: reprise ${name} `)
      expect(stdout).toMatch(/^Examples?:$/m)
    }
  })
})

describe('every command', () => {
  it('says what it is for, gives an example that names it, and documents its output', async () => {
    for (const { name, group, says, load } of registry) {
      const { examples, details, schema, args, options } = await load()
      expect(groups).toHaveProperty(group)
      expect(says).toMatch(/^[a-z].*[^.]$/)
      expect(details.length).toBeGreaterThan(40)
      expect(examples.length).toBeGreaterThan(0)
      for (const { line } of examples) expect(line).toMatch(new RegExp(`^${name}( |$)|reprise ${name}( |$)`))
      for (const { says: what } of [...Object.values(args), ...Object.values(options)]) expect(what).not.toBe('')
      expect(schema).toHaveProperty('parse')
    }
  })

  it('finds the nearest .reprise upwards, and takes another from --at or the environment', async () => {
    const deep = { cwd: join(folder, 'project', 'src', 'deep') }
    expect((await reprise(['status', 'seen'], deep)).code).toBe(0)
    expect((await reprise(['status', 'seen', '--at', place()], { cwd: empty() })).code).toBe(0)
    expect((await reprise(['status', 'seen'], { cwd: empty(), env: { REPRISE_AT: place() } })).code).toBe(0)
    expect((await reprise(['status', 'seen', '--at', empty()], { env: { REPRISE_AT: place() } })).code).toBe(3)
  })

  it('that only looks makes nothing where nothing is', async () => {
    const { code, stderr } = await reprise(['status', 'seen'], { cwd: empty() })
    expect(code).toBe(3)
    expect(stderr).toContain('--at')
    expect(readdirSync(empty())).toEqual([])
  })

  it('answers a failure in JSON too, once, with the code and the exit of its kind', async () => {
    const { code, json, stderr } = await repriseJson(['status', 'unseen', '--at', place()])
    expect(code).toBe(3)
    expect(json).toEqual({
      error: { code: 'NOT_FOUND', message: expect.stringContaining('unseen'), details: { runId: 'unseen' } },
    })
    expect(stderr).toContain('unseen')
  })

  it('answers a command line that is not understood in JSON as well', async () => {
    for (const args of [['status'], ['status', 'a', '--nope'], ['statu', 'a']]) {
      const { code, stdout } = await inProcess([...args, '--json'])
      expect(code).toBe(2)
      expect(JSON.parse(stdout)).toEqual({
        error: { code: 'USAGE', message: expect.stringMatching(/^[a-z].{10,}/), details: {} },
      })
    }
    expect((await inProcess(['worker', '--', 'program', '--json'])).stdout).toBe('')
  })

  it('shows values from the log without what a terminal would obey', async () => {
    const { stdout } = await reprise(['status', 'seen', '--at', place()])
    expect(stdout).toContain('be \\u{1b}[31mseen\\u{202e}')
    const { stdout: raw, json } = await repriseJson(['status', 'seen', '--at', place()])
    expect(json.goal).toBe('be \u001b[31mseen\u202e')
    expect(raw).toContain('\\u001b')
  })

  it('has colours if asked for, and none in a pipe', async () => {
    const args = ['status', 'seen', '--at', place()]
    expect((await reprise(args)).stdout).not.toContain('\u001b')
    expect((await reprise([...args, '--color', 'always'])).stdout).toContain('\u001b[1mseen')
    expect((await reprise(args, { env: { FORCE_COLOR: '1' } })).stdout).toContain('\u001b[1mseen')
    expect((await reprise(args, { env: { FORCE_COLOR: '1', NO_COLOR: '1' } })).stdout).not.toContain('\u001b')
  })

  it('never says the password of an address, and ends with 5 if nobody answers there', async () => {
    for (const at of ['redis://me:hunter22@127.0.0.1:1', 'nats://me:hunter22@127.0.0.1:1']) {
      const { code, stdout, stderr } = await repriseJson(['status', 'seen', '--at', at])
      expect([at, code]).toEqual([at, 5])
      expect(stdout + stderr).not.toContain('hunter22')
    }
  })

  it('takes parts that are elsewhere, and refuses parts that there are not', async () => {
    const args = ['status', 'seen', '--at', place()]
    expect((await reprise([...args, '--with', `artifacts=${place()}`])).code).toBe(0)
    expect((await reprise([...args, '--with', 'log=x'])).code).toBe(2)
    expect((await reprise([...args, '--with', `queue=${empty()}/none`])).code).toBe(3)
  })

  it('ends quietly when nobody reads its output', async () => {
    const { child, ended } = startReprise(['status', 'seen', '--at', place()])
    child.stdout.destroy()
    expect(await ended).toMatchObject({ code: 0, stderr: '' })
  })

  it('lets go of the run that it holds when nobody reads its output', async () => {
    const at = ['--at', place()]
    const { child, ended } = startReprise(['resume', 'seen', '--hold', ...at])
    child.stdout.destroy()
    expect(await ended).toMatchObject({ code: 0, stderr: '' })
    expect((await repriseJson(['status', 'seen', ...at])).json.holder).toBeNull()
  })

  it('fails with what it has found when nobody reads standard error', async () => {
    const { child, ended } = startReprise(['status', 'unseen', '--at', place()])
    child.stderr.destroy()
    expect((await ended).code).toBe(3)
  })

  it.skipIf(process.platform !== 'linux')('ends with 5 when its output cannot be written', async () => {
    const file = openSync('/dev/full', 'w')
    const child = spawn(process.execPath, [command, 'status', 'seen', '--at', place()], {
      stdio: ['ignore', file, 'pipe'],
    })
    closeSync(file)
    let stderr = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    expect((await once(child, 'close'))[0]).toBe(5)
    expect(stderr).toMatch(/^reprise: The output could not be written: ENOSPC/)
  })
})
