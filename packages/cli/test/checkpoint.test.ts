import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFiles } from '@reprise/adapter-fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { checkpointSign } from '../src/commands/checkpoint-sign.js'
import { checkpointVerify } from '../src/commands/checkpoint-verify.js'
import { linesOf } from './broken-logs/golden-log.js'
import { reprise, repriseJson } from './reprise.js'

const cwd = mkdtempSync(join(tmpdir(), 'reprise-checkpoint-'))
const logFile = join(cwd, '.reprise', 'runs', 'story', 'log.jsonl')
const lines = linesOf('story')
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const writeLog = (from: readonly string[]) => writeFile(logFile, `${from.join('\n')}\n`)

beforeAll(async () => {
  await (await openFiles({ dir: join(cwd, '.reprise') })).close()
  await mkdir(join(logFile, '..'), { recursive: true })
  await writeLog(lines)
  await writeFile(join(cwd, 'key'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  await writeFile(join(cwd, 'pub'), publicKey.export({ type: 'spki', format: 'pem' }))
})
afterAll(() => rm(cwd, { recursive: true, force: true }))

const sign = (...more: string[]) => ['checkpoint', 'sign', 'story', '--key', 'key', ...more]
const verify = (...more: string[]) => ['checkpoint', 'verify', 'signed', '--keys', 'pub', ...more]

it('is signed into a file or a pipe, and verifies; a log that was cut off or written anew does not', async () => {
  const signed = await repriseJson(sign('-o', 'signed', '--key-id', 'ops-1'), { cwd })
  expect(signed).toMatchObject({ code: 0, stderr: '' })
  expect(checkpointSign.schema.parse(signed.json)).toEqual(signed.json)
  const text = await readFile(join(cwd, 'signed'), 'utf8')
  expect(signed.json).toMatchObject({ text, file: join(cwd, 'signed'), checkpoint: { keyId: 'ops-1', commits: 45 } })
  expect((await readdir(cwd)).sort()).toEqual(['.reprise', 'key', 'pub', 'signed'])

  const piped = await reprise(sign(), { cwd })
  expect(piped).toMatchObject({ code: 0, stderr: expect.stringMatching(/^Signed 45 commits \(89 events\) of story/) })
  const fromPipe = await reprise(['checkpoint', 'verify', '-', '--keys', 'pub'], { cwd, input: piped.stdout })
  expect(fromPipe.stdout).toMatch(
    /^same {2}The log of run story is what was signed: 45 commits\.\nSigned by [0-9a-f]{16}, at /,
  )

  await writeLog(lines.slice(0, 40))
  const cut = await repriseJson(verify(), { cwd })
  expect(cut).toMatchObject({ code: 1, json: { ok: false, finding: 'cut-off', log: { commits: 40 } } })
  expect(checkpointVerify.schema.parse(cut.json)).toEqual(cut.json)
  await writeLog(linesOf('story', (commit) => Object.assign(commit, { actor: 'forger' })))
  expect(await repriseJson(verify(), { cwd })).toMatchObject({ code: 1, json: { finding: 'rewritten' } })
  await writeLog(lines)
  expect(await repriseJson(verify(), { cwd })).toMatchObject({ code: 0, json: { finding: 'same' } })
})

it('warns of a key that others can read, and never shows what is in it', async () => {
  await chmod(join(cwd, 'key'), 0o644)
  const open = await reprise(sign(), { cwd })
  await chmod(join(cwd, 'key'), 0o600)
  expect(open).toMatchObject({ code: 0, stderr: expect.stringMatching(/^warning: others can read or replace key\./) })
  const secret = (await readFile(join(cwd, 'key'), 'utf8')).split('\n')[1] ?? ''
  expect(secret.length).toBeGreaterThan(20)
  const asPublic = await reprise(['checkpoint', 'verify', 'pub', '--keys', 'key'], { cwd })
  const asCheckpoint = await reprise(['checkpoint', 'verify', 'key', '--keys', 'pub'], { cwd })
  for (const { code, stdout, stderr } of [asPublic, asCheckpoint]) {
    expect(code).toBe(2)
    expect(stdout + stderr).not.toContain(secret)
  }
})

it('says what is missing: a key, a run, a file', async () => {
  const [noKey, noRun, noFile, noPins] = await Promise.all([
    reprise(['checkpoint', 'sign', 'story'], { cwd }),
    reprise(['checkpoint', 'sign', 'nobody', '--key', 'key'], { cwd }),
    reprise(sign('--key', 'none'), { cwd }),
    reprise(['checkpoint', 'verify', 'pub'], { cwd }),
  ])
  expect([noKey.code, noRun.code, noFile.code, noPins.code]).toEqual([2, 3, 3, 2])
})
