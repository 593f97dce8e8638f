import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { firstFailingGate, noEvidence, type ReceiptEvidence, readReceipt } from '../src/flow/receipt-gates.js'
import type { ArtifactCheck } from '../src/protocol/artifact.js'
import { type ReceiptGate, receiptGates } from '../src/protocol/events.js'
import { limits } from '../src/protocol/limits.js'
import { receiptChecksum, signedBytes } from '../src/protocol/receipt.js'
import { dispatch, failed, type GivenRun, given, receipt, receiptText, settled, task } from './given-run.js'

const keyPair = generateKeyPairSync('ed25519')
const pinned = (key: KeyObject) => ({
  workerKeys: [{ keyId: 'k-1', publicKey: key.export({ format: 'der', type: 'spki' }).toString('base64') }],
})
const signedBy = (run: GivenRun, altered: object, key = keyPair.privateKey, keyId = 'k-1') => {
  const { checksum } = JSON.parse(receiptText(run, 'a', { ...altered }))
  return { signature: { keyId, value: sign(null, signedBytes(keyId, checksum), key).toString('base64') } }
}

/** The gate that a receipt of task a does not pass, or `null`. */
function gate(run: GivenRun, altered: object = {}, evidence: ReceiptEvidence = noEvidence): ReceiptGate | null {
  return firstFailingGate(run.state, readReceipt(receiptText(run, 'a', { ...altered })), evidence)?.gate ?? null
}
const out = () => given({}, dispatch('a'))
const digest = (digit: string) => digit.repeat(64)
const artifact = { name: 'report', path: 'sha256/aa/x', sha256: digest('a'), bytes: 3 }
const artifactFailures = [
  'missing',
  'outside-root',
  'not-a-regular-file',
  'wrong-size',
  'wrong-digest',
  'too-large',
] as const
const check = (artifacts: ArtifactCheck[] | null): ReceiptEvidence => ({ artifacts, outputProblem: null })

describe('an honest receipt', () => {
  it('passes every gate', () => {
    expect(gate(out())).toBe(null)
    expect(gate(out(), { status: 'partial', signature: { keyId: 'x', value: 'y' } })).toBe(null)
  })

  it('passes after a takeover too, under the epoch of its dispatch', () => {
    const run = out().and({ type: 'take-over', holder: { id: 'c-2', host: 'h', pid: 1 }, reason: 'free' })
    expect(gate(run)).toBe(null)
  })
})

describe('the receipt gate', () => {
  it('schema stops a receipt with a field missing, a field too many, or one of another form', () => {
    for (const altered of [{ worker: undefined }, { extra: 1 }, { attempt: '1' }, { v: 2 }, { status: 'done' }]) {
      expect(gate(out(), altered)).toBe('schema')
    }
  })

  it('size stops an output that is too large, and a receipt that is', () => {
    expect(gate(out(), { output: 'x'.repeat(limits.outputBytesMax - 2) })).toBe(null)
    expect(gate(out(), { output: 'x'.repeat(limits.outputBytesMax - 1) })).toBe('size')
    const spawnRequests = Array.from({ length: 2 }, (_, i) => task(`s${i}`, { input: 'x'.repeat(200_000) }))
    expect(gate(out(), { spawnRequests })).toBe('size')
  })

  it('size stops a receipt that would be too large as we record it, since numbers may grow', () => {
    const numbers = `[${Array.from({ length: 50_000 }, () => '1e20').join(',')}]`
    const text = receiptText(out(), 'a', { spawnRequests: [task('s', { input: 'HERE' })] }).replace('"HERE"', numbers)
    expect(text.length).toBeLessThan(limits.receiptBytesMax)
    expect(firstFailingGate(out().state, readReceipt(text), noEvidence)?.gate).toBe('size')
  })

  it('run stops a receipt of another run', () => {
    expect(gate(out(), { runId: 'run-2' })).toBe('run')
  })

  it('known-task stops a receipt for a task that was never in the run', () => {
    expect(gate(out(), { taskId: 'b' })).toBe('known-task')
  })

  it('current-attempt stops the receipt of a superseded attempt', () => {
    const run = given({ retryBackoffMs: 1 }, dispatch('a'), failed('a')).later(1).and({ type: 'advance' })
    expect(gate(run, { attempt: 1 })).toBe('current-attempt')
    expect(gate(run, { attempt: 3 })).toBe('current-attempt')
    expect(gate(run)).toBe(null)
  })

  it('current-attempt stops the receipt of an attempt that has expired, or is only planned', () => {
    const run = given({ attemptTimeoutMs: 10, attemptsMax: 1 }, dispatch('a'))
      .later(10)
      .and({ type: 'expire-attempts' })
    expect(gate(run)).toBe('current-attempt')
    expect(gate(given({}, { type: 'pause', reason: 'x' }, dispatch('a')))).toBe('current-attempt')
  })

  it('current-attempt stops a late receipt of a task that was accepted, cancelled or abandoned', () => {
    expect(gate(given({}, ...settled('a')))).toBe('current-attempt')
    for (const type of ['cancel', 'abandon'] as const) {
      expect(gate(given({}, dispatch('a'), { type, taskId: 'a', reason: 'x' }))).toBe('current-attempt')
    }
  })

  it('epoch stops a receipt of an epoch that is newer than the log, or not that of the dispatch', () => {
    const run = out().and({ type: 'take-over', holder: { id: 'c-2', host: 'h', pid: 1 }, reason: 'free' })
    for (const epoch of [run.state.epoch, run.state.epoch + 1, 1]) expect(gate(run, { epoch })).toBe('epoch')
  })

  it('dispatch-digest stops a receipt that answers something else than what was asked', () => {
    expect(gate(out(), { dispatchDigest: digest('f') })).toBe('dispatch-digest')
  })

  it('not-duplicate stops a second receipt for the attempt', () => {
    expect(gate(out().and(receipt('a')), { receiptId: 'another-one' })).toBe('not-duplicate')
  })

  it('checksum stops a receipt that was edited after it was sealed', () => {
    const text = receiptText(out(), 'a').replace('"lines":3', '"lines":4')
    expect(firstFailingGate(out().state, readReceipt(text), noEvidence)?.gate).toBe('checksum')
    expect(gate(out(), { checksum: digest('0') })).toBe('checksum')
  })

  it('signature stops a receipt that is unsigned, signed with another key, by an unknown key, or over another receipt', () => {
    const run = given(pinned(keyPair.publicKey), dispatch('a'))
    const stranger = generateKeyPairSync('ed25519').privateKey
    expect(gate(run, signedBy(run, {}))).toBe(null)
    expect(gate(run)).toBe('signature')
    expect(gate(run, signedBy(run, {}, stranger))).toBe('signature')
    expect(gate(run, signedBy(run, {}, keyPair.privateKey, 'k-2'))).toBe('signature')
    expect(gate(run, { ...signedBy(run, {}), output: 'other' })).toBe('signature')
    expect(gate(run, { signature: { keyId: 'k-1', value: '' } })).toBe('signature')
  })

  it('signature stops everything when the pinned key is none, and throws nothing', () => {
    const run = given({ workerKeys: [{ keyId: 'k-1', publicKey: 'A'.repeat(60) }] }, dispatch('a'))
    expect(gate(run, signedBy(run, {}))).toBe('signature')
  })

  it.each(artifactFailures)('artifacts stops a receipt one of whose artifacts is %s', (reason) => {
    const good: ArtifactCheck = { ok: true, artifact }
    const evidence = check([good, { ok: false, reason, detail: 'seen' }])
    expect(gate(out(), { artifacts: [artifact, { ...artifact, name: 'second' }] }, evidence)).toBe('artifacts')
  })

  it('artifacts stops a receipt whose artifacts were not read, not all read, or read as something else', () => {
    const artifacts = [artifact]
    expect(gate(out(), { artifacts }, check([{ ok: true, artifact }]))).toBe(null)
    expect(gate(out(), { artifacts }, noEvidence)).toBe('artifacts')
    expect(gate(out(), { artifacts }, check([]))).toBe('artifacts')
    expect(gate(out(), { artifacts }, check([{ ok: true, artifact: { ...artifact, sha256: digest('b') } }]))).toBe(
      'artifacts',
    )
    expect(gate(out(), { artifacts }, check([{ ok: true, artifact: { ...artifact, bytes: 4 } }]))).toBe('artifacts')
  })

  it('output-schema stops a receipt whose output is not what its kind returns', () => {
    expect(gate(out(), {}, { artifacts: null, outputProblem: 'lines: expected a number' })).toBe('output-schema')
  })
})

describe('the order of the receipt gates', () => {
  const wrong = digest('f')
  /** What makes a receipt fail at each gate; each later line leaves one reason out. */
  const faults: [ReceiptGate, object][] = [
    ['schema', { extra: 1 }],
    ['size', { output: 'x'.repeat(limits.outputBytesMax) }],
    ['run', { runId: 'run-2' }],
    ['known-task', { taskId: 'nobody' }],
    ['current-attempt', { attempt: 9 }],
    ['epoch', { epoch: 99 }],
    ['dispatch-digest', { dispatchDigest: wrong }],
    ['not-duplicate', {}],
    ['checksum', { checksum: wrong }],
    ['signature', {}],
    ['artifacts', { artifacts: [artifact] }],
    ['output-schema', {}],
  ]

  it('is the documented one', () => {
    expect(faults.map(([name]) => name)).toEqual(receiptGates)
  })

  it.each(faults.map(([name], i) => [name, i] as const))('lets %s answer before all that come after it', (name, i) => {
    const keys = i <= receiptGates.indexOf('signature') ? pinned(keyPair.publicKey) : {}
    const run = given(keys, dispatch('a'))
    const altered = Object.assign({}, ...faults.slice(i).map(([, fault]) => fault))
    if (i <= receiptGates.indexOf('not-duplicate')) {
      const honest = receiptText(run, 'a')
      run.and(receipt('a', { ...JSON.parse(honest), ...signedBy(run, {}) }))
    }
    expect(gate(run, altered, { artifacts: null, outputProblem: 'wrong' })).toBe(name)
  })

  it('can be followed up to a gate, leaving out what must be read from disk', () => {
    const incoming = readReceipt(receiptText(out(), 'a', { artifacts: [artifact] }))
    expect(firstFailingGate(out().state, incoming, noEvidence, 'signature')).toBe(null)
    expect(firstFailingGate(out().state, incoming, noEvidence, 'artifacts')?.gate).toBe('artifacts')
  })

  it('gives evidence that is bounded', () => {
    const evidence = { artifacts: null, outputProblem: 'x'.repeat(99_999) }
    const failing = firstFailingGate(out().state, readReceipt(receiptText(out(), 'a')), evidence)
    expect(failing?.evidence.length).toBeLessThanOrEqual(limits.evidenceBytesMax)
  })

  it('records a receipt as it came, so that its checksum can be computed again from the log', () => {
    const text = receiptText(out(), 'a', { spawnRequests: [{ taskId: 's', kind: 'k', input: 1 }] })
    const { receipt: parsed, checksum } = readReceipt(text)
    expect(checksum).toBe(receiptChecksum(JSON.parse(text)))
    expect(receiptChecksum(parsed ?? {})).toBe(checksum)
    expect(parsed?.spawnRequests).toStrictEqual([{ taskId: 's', kind: 'k', input: 1 }])
  })
})
