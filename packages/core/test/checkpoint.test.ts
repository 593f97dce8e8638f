import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type CommitRecord, encodeCommit, readCommit } from '../src/log/commit-record.js'
import type { RunId } from '../src/protocol/ids.js'
import { signedBytes } from '../src/protocol/receipt.js'
import { defaultKeyId } from '../src/replay/checkpoint-keys.js'
import { checkpointBytes, readCheckpoint } from '../src/replay/checkpoint-text.js'
import { forkRun } from '../src/replay/fork-run.js'
import { inspectLog } from '../src/replay/inspect-log.js'
import { signCheckpoint } from '../src/replay/sign-checkpoint.js'
import { verifyCheckpoint } from '../src/replay/verify-checkpoint.js'
import { RunStage, runId } from './run-stage.js'

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const other = generateKeyPairSync('ed25519')
const derOf = (key: KeyObject): string => key.export({ type: 'spki', format: 'der' }).toString('base64')
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const key = { keyId: 'ops-1', privateKey }
const pins = [{ keyId: 'ops-1', publicKey: derOf(publicKey) }]

/** A run with some commits, of which a checkpoint was signed. */
async function signed() {
  const stage = new RunStage()
  const { run } = await stage.open()
  for (const word of ['one', 'two']) await stage.clock.run(run.note(word))
  const { log } = stage.outside.adapter
  const records = () => [...stage.backend.recordsOf(runId)]
  const { text, checkpoint } = await stage.clock.run(
    signCheckpoint(log, runId, key, { runtime: stage.outside.runtime }),
  )
  const set = (change: CommitRecord[]) => stage.backend.runs.records.set(runId, change)
  const check = (of = text, by: Parameters<typeof verifyCheckpoint>[2] = pins) =>
    stage.clock.run(verifyCheckpoint(log, of, by))
  return { stage, run, log, records, set, text, checkpoint, check }
}

/** The same log, one commit of which somebody wrote anew, with a right chain behind it. */
function rewrittenFrom(records: CommitRecord[], from: number): CommitRecord[] {
  const result = records.slice(0, from)
  for (const record of records.slice(from)) {
    const commit = readCommit(record.text, record.index)
    const texts = commit.events.map((event) => JSON.stringify(event))
    result.push(encodeCommit({ ...commit, actor: 'forger', prev: result.at(-1)?.hash ?? '0'.repeat(64) }, texts))
  }
  return result
}

describe('a signed checkpoint', () => {
  it('says how long the log is and what its ends are, and verifies while the log is the same', async () => {
    const { stage, run, records, checkpoint, check } = await signed()
    expect(checkpoint).toEqual({
      ...{ v: 1, runId, commits: records().length, version: run.status.version, keyId: 'ops-1' },
      ...{ first: records()[0]?.hash, head: records().at(-1)?.hash },
      at: new Date(stage.outside.runtime.now()).toISOString(),
    })
    expect(await check()).toMatchObject({ ok: true, finding: 'same', remedy: null, checkpoint })
  })

  it('verifies when the log has grown since', async () => {
    const { stage, run, records, check } = await signed()
    await stage.clock.run(run.note('three'))
    const { length } = records()
    expect(await check()).toMatchObject({ ok: true, finding: 'grown', log: { commits: length } })
  })

  it('finds that the end of the log was cut off, which its chain does not show', async () => {
    const { records, set, check } = await signed()
    const whole = records()
    for (let kept = 1; kept < whole.length; kept++) {
      set(whole.slice(0, kept))
      expect(await check()).toMatchObject({ ok: false, finding: 'cut-off', log: { commits: kept } })
    }
    set([])
    expect(await check()).toMatchObject({ ok: false, finding: 'gone', log: null })
  })

  it('finds a history that was written anew with a right chain, wherever it begins, also if it is longer', async () => {
    const { stage, run, records, set, check } = await signed()
    const { length } = records()
    await stage.clock.run(run.note('three'))
    for (let from = 0; from < length; from++) {
      const forged = rewrittenFrom(records(), from)
      const before = records()
      set(forged)
      expect(await check()).toMatchObject({ ok: false, finding: 'rewritten' })
      set(before)
    }
    set(rewrittenFrom(records(), length))
    expect(await check()).toMatchObject({ ok: true, finding: 'grown' })
  })

  it('finds the log of another run under the name', async () => {
    const { stage, run, text, log } = await signed()
    expect(run.status.version).toBeGreaterThan(0)
    const another = await stage.open({ runId: 'run-2' })
    await stage.clock.run(another.run.note('one'))
    stage.backend.runs.records.set(runId, [...stage.backend.recordsOf('run-2' as RunId)])
    const found = await stage.clock.run(verifyCheckpoint(log, text, pins))
    expect(found).toMatchObject({ ok: false, finding: 'other-run', message: expect.stringContaining('run-2') })
  })

  it('is of a fork what it is of any run, and finds a fork under the name of its original', async () => {
    const { stage, run, log, check } = await signed()
    const { runtime } = stage.outside
    const fork = 'fork-1' as RunId
    await stage.clock.run(forkRun(log, runId, { version: run.status.version }, fork, { runtime }))
    expect(await stage.clock.run(inspectLog(log, fork))).toMatchObject({ ok: true, problem: null })
    const { text } = await stage.clock.run(signCheckpoint(log, fork, key, { runtime }))
    expect(await check(text)).toMatchObject({ ok: true, finding: 'same' })
    expect(await check()).toMatchObject({ ok: true, finding: 'same' })
    // It begins with everything that was signed, and yet is another run.
    stage.backend.runs.records.set(runId, [...stage.backend.recordsOf(fork)])
    expect(await check()).toMatchObject({ ok: false, finding: 'other-run' })
    expect(await stage.clock.run(inspectLog(log, runId))).toMatchObject({ ok: false, problem: { kind: 'other-run' } })
  })

  it('finds a log that does not verify, and is not signed for one', async () => {
    const { stage, log, records, set, check } = await signed()
    const bad = { ...records()[1]!, text: records()[1]!.text.replace('"at":"2', '"at":"3') }
    set(records().with(1, bad))
    expect(await check()).toMatchObject({ ok: false, finding: 'log-bad' })
    const signing = (of: RunId) => stage.clock.run(signCheckpoint(log, of, key))
    await expect(signing(runId)).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
    await expect(signing('nobody' as RunId)).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
  })
})

describe('the signature of a checkpoint', () => {
  it('does not survive the change of any byte of the text', async () => {
    const { text, check } = await signed()
    const accepted: number[] = []
    for (let i = 0; i < text.length - 1; i++) {
      const changed = text.slice(0, i) + String.fromCharCode(text.charCodeAt(i) ^ 1) + text.slice(i + 1)
      const ok = await check(changed).then(
        (found) => found.ok,
        (error: { code: string }) => error.code !== 'INVALID_INPUT',
      )
      if (ok) accepted.push(i)
    }
    expect(accepted).toEqual([])
    // The last digit of base64 has four bits that decode to nothing.
    const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    const at = text.indexOf('=="') - 1
    const alike = digits[digits.indexOf(text.charAt(at)) + 1] ?? ''
    await expect(check(text.slice(0, at) + alike + text.slice(at + 1))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('is by a pinned key, whose id is that of the checkpoint or was left out', async () => {
    const { text, check } = await signed()
    const of = (keyId: string | undefined, key: KeyObject) => ({ keyId, publicKey: derOf(key) })
    expect(await check(text, [])).toMatchObject({ ok: false, finding: 'unknown-key', log: null })
    expect(await check(text, [of('ops-2', publicKey)])).toMatchObject({ finding: 'unknown-key' })
    expect(await check(text, [of('ops-1', other.publicKey)])).toMatchObject({ finding: 'bad-signature' })
    expect(await check(text, [of(undefined, other.publicKey)])).toMatchObject({ finding: 'bad-signature' })
    expect(await check(text, [of(undefined, other.publicKey), of(undefined, publicKey)])).toMatchObject({ ok: true })
    const asPem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
    expect(await check(text, [{ publicKey: asPem }])).toMatchObject({ ok: true })
  })

  it('cannot be one of a receipt', () => {
    expect(checkpointBytes('{}').equals(signedBytes('ops-1', '{}'))).toBe(false)
    expect(checkpointBytes('{}').toString()).toMatch(/^reprise-checkpoint-v1\n/)
  })

  it('names the key by its public half unless it was given a name', async () => {
    const { stage, log } = await signed()
    const { checkpoint } = await stage.clock.run(signCheckpoint(log, runId, { privateKey: pem }))
    expect(checkpoint.keyId).toBe(defaultKeyId(publicKey))
    expect(checkpoint.keyId).toMatch(/^[0-9a-f]{16}$/)
  })

  it.each<[string, () => unknown]>([
    ['text that is no key', () => ({ privateKey: 'secret-words' })],
    ['a public key', () => ({ privateKey: publicKey })],
    ['a key of another kind', () => ({ privateKey: generateKeyPairSync('x25519').privateKey })],
    ['a key with an id that is none', () => ({ keyId: '../x', privateKey })],
  ])('is refused with %s, without a word of what it is', async (_, given) => {
    const { stage, log } = await signed()
    const signing = stage.clock.run(signCheckpoint(log, runId, given() as typeof key))
    await expect(signing).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(signing).rejects.not.toThrow(/secret-words/)
  })

  it.each(['', '{}', 'x'.repeat(10_000), '{"signature":"","checkpoint":{}}', `${JSON.stringify({ level: 'info' })}\n`])(
    'is not looked for in what is no checkpoint: %#',
    (text) => {
      expect(() => readCheckpoint(text)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
    },
  )

  it('is refused with a pinned key that is none, or that is private', async () => {
    const { check, text } = await signed()
    for (const publicKey of ['nonsense', pem, derOf(generateKeyPairSync('x25519').publicKey)]) {
      await expect(check(text, [{ keyId: 'ops-1', publicKey }])).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
  })
})
