import { describe, expect, it } from 'vitest'
import { statusOf } from '../src/coordinator/run-status.js'
import { encodeCommit, genesisHash, readCommit } from '../src/log/commit-record.js'
import type { Commit, RunEvent } from '../src/protocol/events.js'
import type { Evidence } from './evidence.js'
import { type InvariantName, invariants, violations } from './invariants.js'
import { hashOf, readHistory } from './log-history.js'
import { RunStage, request, runId } from './run-stage.js'

type Loose = { type: string; v: number; data: Record<string, unknown>; cause?: unknown }

/** A run with a takeover, a refused receipt, an accepted and an open task: nothing is wrong with it. */
async function soundEvidence(): Promise<Evidence> {
  const stage = new RunStage()
  const first = await stage.open({ policy: { inFlightMax: 2, attemptsMax: 3 }, snapshotEveryEvents: 1 })
  await stage.clock.run(first.run.dispatch([request('t1'), request('t2'), request('t3')]))
  await stage.answer('t1')
  await stage.send('receipt', stage.receipt(stage.offer('t1')))
  await stage.clock.run(first.run.accept('t1'))
  first.adapter.kill()
  await stage.open()
  const lines = stage.backend.recordsOf(runId).map(({ text }) => text)
  const appends = lines.map((line, index) => ({
    by: 'all',
    index,
    hash: hashOf(line) ?? '',
    ended: 'committed' as const,
  }))
  const offers = [...stage.backend.lanes.attempts.values()].map(({ offer }) => offer)
  const told = [statusOf(readHistory(lines).states.last)]
  const snapshot = stage.backend.snapshots.get(runId)
  expect(snapshot).not.toBe(undefined)
  return { lines, linesBefore: lines.slice(0, 3), appends, snapshot, offers, told, waits: [], now: stage.clock.now() }
}

const snapshotThat = ({ snapshot = [] }: Evidence, says: string, instead: string): string[] =>
  snapshot.map((piece) => piece.replace(says, instead))

/** The same log with other events, its chain in order: as a wrong coordinator would have written it. */
function rewritten(
  evidence: Evidence,
  change: (events: Loose[], commit: Commit) => Loose[],
  header: Partial<Commit> = {},
): Evidence {
  let [prev, version, epoch] = [genesisHash, 0, 0]
  const lines = evidence.lines.map((line, index) => {
    const commit = readCommit(line, index)
    const events = change(structuredClone(commit.events) as unknown as Loose[], commit)
    for (const event of events) if (++version && event.type === 'lock-acquired') epoch = version
    const last = index === evidence.lines.length - 1 ? header : {}
    const record = encodeCommit(
      { ...commit, version, epoch, prev, ...last },
      events.map((event) => JSON.stringify(event)),
    )
    prev = record.hash
    return record.text
  })
  return { ...evidence, lines, linesBefore: [], appends: [], told: [], snapshot: undefined }
}

const without =
  (...types: string[]) =>
  (events: Loose[]) =>
    events.filter(({ type }) => !types.includes(type))
const alter = (type: string, change: (data: Record<string, unknown>) => object) => (events: Loose[]) =>
  events.map((event) => (event.type === type ? { ...event, data: { ...event.data, ...change(event.data) } } : event))
const repeat = (type: string) => (events: Loose[]) =>
  events.flatMap((event) => (event.type === type ? [event, event] : [event]))
const appended = (event: object) => {
  let done = false
  return (events: Loose[]) => {
    if (done || !events.some(({ type }) => type === 'task-accepted')) return events
    done = true
    return [...events, { v: 1, data: {}, ...event } as Loose]
  }
}
const [note, hex] = [(text: string) => ({ type: 'note-added', data: { text } }), 'f'.repeat(64)]

const broken: Record<InvariantName, Record<string, (sound: Evidence) => Evidence>> = {
  I1: {
    'a commit that changed': (e) => ({ ...e, linesBefore: ['{"hash":"other"}'] }),
    'a head that moved back': (e) => ({ ...e, linesBefore: [...e.lines, 'one more'] }),
    'a commit left out': (e) => ({ ...e, linesBefore: [], lines: e.lines.filter((_, i) => i !== 2) }),
    'a wrong version': (e) => rewritten(e, (events) => events, { version: 999 }),
  },
  I2: {
    'an acknowledged commit that is gone': (e) => ({ ...e, lines: e.lines.slice(0, -1), linesBefore: [], told: [] }),
  },
  I3: {
    'two commits at one index': (e) => ({ ...e, appends: [...e.appends, { ...e.appends[0]!, hash: hex }] }),
    'a conflict that appended': (e) => ({ ...e, appends: [{ ...e.appends[1]!, ended: 'conflict' }] }),
    'going on after an unknown end': (e) => ({
      ...e,
      appends: [{ ...e.appends[0]!, ended: 'unknown' }, e.appends[1]!],
    }),
  },
  I4: {
    'an epoch that is not of the lock': (e) => rewritten(e, (events) => events, { epoch: 1 }),
    'a commit by somebody who does not hold the lock': (e) => rewritten(e, (events) => events, { actor: 'zombie' }),
  },
  I5: {
    'an offer that the log does not know': (e) => ({ ...e, offers: [{ ...e.offers[0]!, attempt: 9 }] }),
    'an offer with another content': (e) => ({ ...e, offers: [{ ...e.offers[0]!, body: '{}' }] }),
  },
  I6: {
    'a task accepted twice': (e) => rewritten(e, repeat('task-accepted')),
    'a message that was decided twice': (e) => rewritten(e, appended({ ...note('again'), ...causeOf(e) })),
    'an attempt with two receipts': (e) => rewritten(e, repeat('receipt-received')),
  },
  I7: {
    'a receipt for another digest': (e) =>
      rewritten(
        e,
        alter('receipt-received', ({ receipt }) => ({ receipt: { ...(receipt as object), dispatchDigest: hex } })),
      ),
    'an acceptance without a receipt': (e) => rewritten(e, without('receipt-received')),
  },
  I8: {
    'an open attempt under a digest that recovery would not offer': (e) =>
      rewritten(
        e,
        alter('dispatched', () => ({ digest: hex })),
      ),
  },
  I9: {
    'a dispatch without gates': (e) => rewritten(e, without('resumed')),
    'gates out of order': (e) =>
      rewritten(
        e,
        alter('resumed', ({ gates }) => ({ gates: [...(gates as [])].reverse() })),
      ),
    'gates passed twice': (e) => rewritten(e, repeat('resumed')),
  },
  I10: {
    'a snapshot that is not what the log says': (e) => ({ ...e, snapshot: snapshotThat(e, '"mode":"', '"mode":"x') }),
    'a snapshot of commits that are not in the log': (e) => ({
      ...e,
      snapshot: snapshotThat(e, '"commits":', '"commits":9'),
    }),
    'a status that the log does not say': (e) => ({ ...e, told: [{ ...e.told[0]!, status: 'complete' }] }),
    'a status of a version that no commit has': (e) => ({ ...e, told: [{ ...e.told[0]!, version: 9999 }] }),
  },
  I11: {
    'a mode change from another mode': (e) =>
      rewritten(
        e,
        alter('mode-changed', () => ({ from: 'closed' })),
      ),
    'an event after the end': (e) => rewritten(e, appended({ type: 'run-completed', data: { summary: 'done' } })),
  },
  I12: {
    'a wait past its deadline': (e) => ({ ...e, waits: [{ what: 'close', until: e.now - 1, settled: false }] }),
    'more attempts out than the policy allows': (e) =>
      rewritten(
        e,
        alter('run-opened', ({ policy }) => ({ policy: { ...(policy as object), inFlightMax: 1 } })),
      ),
    'more attempts than the policy allows': (e) =>
      rewritten(
        e,
        alter('run-opened', ({ policy }) => ({ policy: { ...(policy as object), attemptsMax: 0 } })),
      ),
  },
  I13: {
    'data that its schema does not allow': (e) => rewritten(e, appended(note('x'.repeat(9000)))),
    'a key that replaces a prototype': (e) =>
      rewritten(e, appended({ ...note('x'), data: JSON.parse('{"text":"x","__proto__":1}') })),
    'a refused message with an effect': (e) => rewritten(e, appended({ ...note('forged'), ...causeOf(e) })),
  },
}

/** The message that the sound run has refused. */
function causeOf({ lines }: Evidence): { cause: unknown } {
  const events = readHistory(lines).commits.flatMap<RunEvent>((commit) => commit.events)
  return { cause: events.find(({ type }) => type === 'receipt-rejected')?.cause }
}

describe('the checks of the invariants', () => {
  it('find nothing wrong with a sound run', async () => {
    expect(violations(await soundEvidence())).toEqual([])
  })

  it('cover I1 to I13', () => {
    expect(Object.keys(invariants)).toEqual(Array.from({ length: 13 }, (_, i) => `I${i + 1}`))
  })

  const cases = Object.entries(broken).flatMap(([name, kinds]) =>
    Object.entries(kinds).map(([what, tamper]) => ({ name: name as InvariantName, what, tamper })),
  )
  it.each(cases)('$name finds $what', async ({ name, tamper }) => {
    expect(violations(tamper(await soundEvidence()), [name])).toEqual([expect.stringMatching(`^${name}: `)])
  })
})
