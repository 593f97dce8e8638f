import { describe, expect, it } from 'vitest'
import { openRun } from '../src/coordinator/open-run.js'
import type { Holding } from './run-stage.js'
import { follow, goal, request, runId } from './run-stage.js'
import { listen, StateFileStage, stateFileOf } from './state-file-stage.js'

const edited = (text: string): string => text.replace('Nothing has been dispatched yet.', 'Everything is done!')

/** What may stand there instead; the version of the log is at least 6 then. */
const drifts: [found: string, isKept: boolean, spoil: (text: string) => string | null][] = [
  ['missing', false, () => null],
  ['foreign', false, () => ''],
  ['foreign', true, () => '# My notes\n'],
  ['edited', true, edited],
  ['edited', true, (text) => text.slice(0, -20)],
  ['older', false, () => stateFileOf(runId, 3)],
  ['other-run', true, () => stateFileOf('run-2', 400)],
  ['other-history', true, (text) => text.replace(/^commit: .*$/m, `commit: ${'f'.repeat(64)}`)],
]

const words: Readonly<Record<string, string>> = {
  missing: 'was missing',
  foreign: 'was (?:empty|not a state file)',
  edited: 'was edited',
  older: 'was of version 3, the log of \\d+',
  'other-run': 'was that of run run-2',
  'other-history': 'was of another history of this run',
}

async function notedRun(): Promise<{ stage: StateFileStage; held: Holding }> {
  const stage = new StateFileStage()
  const held = await stage.open()
  for (const text of ['one', 'two', 'three']) await stage.clock.run(held.run.note(text))
  await stage.written()
  return { stage, held }
}

function spoiled(stage: StateFileStage, spoil: (text: string) => string | null): string | null {
  stage.file.text = spoil(stage.file.text ?? '')
  return stage.file.text
}

describe('a state file that is not that of the log', () => {
  it.each(drifts)(
    'when a run is taken up, being %s (kept aside: %j), is repaired and said so',
    async (found, isKept, spoil) => {
      const { stage, held } = await notedRun()
      await stage.close(held)
      const text = spoiled(stage, spoil)
      const { run } = await stage.open()
      await stage.written()
      expect(stage.file.kept).toEqual(isKept ? [text] : [])
      const keptAs = isKept ? `what it said is kept in ${stage.file.path}.kept-0` : ''
      const { corrections, gates } = stage.of('resumed').at(-1) ?? {}
      expect(corrections).toEqual([
        expect.stringMatching(`^state file: ${stage.file.path} ${words[found]}.*; ${keptAs}.*written again$`),
      ])
      expect(gates?.at(-1)).toMatchObject({ gate: 'state-file', pass: true })
      expect(`state file: ${run.gates.at(-1)?.evidence}`).toBe(corrections?.[0])
    },
  )

  it.each(drifts)(
    'while the run is held, being %s (kept aside: %j), is repaired with the next write',
    async (found, isKept, spoil) => {
      const { stage, held } = await notedRun()
      const heard = listen(held.run)
      const text = spoiled(stage, spoil)
      await stage.clock.run(held.run.note('four'))
      await stage.written()
      expect(heard).toEqual({ failures: [], drifts: [`${found} ${isKept ? `${stage.file.path}.kept-0` : '-'}`] })
      expect(stage.file.kept).toEqual(isKept ? [text] : [])
    },
  )

  it('is repaired when the run is closed, though nothing was to be written', async () => {
    const { stage, held } = await notedRun()
    const text = spoiled(stage, edited)
    await stage.close(held)
    expect(stage.said).toEqual(stage.logged)
    expect(stage.file.kept).toEqual([text])
  })

  it('is no drift for a new run: there was none yet', async () => {
    const stage = new StateFileStage()
    const { run } = await stage.open()
    expect(stage.of('resumed')).toMatchObject([{ corrections: [] }])
    expect(run.gates.at(-1)?.evidence).toBe(`${stage.file.path} is that of the log`)
  })

  it('is kept aside before a new run writes its own', async () => {
    const stage = new StateFileStage()
    stage.file.text = '# My notes\n'
    await stage.open()
    expect(stage.file.kept).toEqual(['# My notes\n'])
    expect(stage.of('resumed')[0]?.corrections).toHaveLength(1)
  })

  it('was never written by the coordinator that died in between, at any call to the disk: repaired', async () => {
    for (let step = 1; ; step++) {
      const stage = new StateFileStage()
      const process = stage.process()
      let calls = 0
      stage.file.fate = (_method, _phase, by) => {
        if (by === process.runtime && ++calls === step) process.adapter.kill()
        return 'go'
      }
      const opening = follow(stage.opening({}, process))
      await stage.clock.settle()
      if (opening.value !== undefined) {
        void opening.value.run.note('one').catch(() => {})
        await stage.clock.advance(1_000)
      }
      if (calls < step) {
        expect(step).toBeGreaterThan(8)
        break
      }
      await stage.open()
      await stage.written()
      expect(stage.file.kept).toEqual([])
    }
  })
})

describe('a state file that is newer than the log', () => {
  const newer = stateFileOf(runId, 400)

  it('fails its gate: nothing is dispatched, the file stays, the failure is on record and the run is let go', async () => {
    const { stage, held } = await notedRun()
    await stage.clock.run(held.run.dispatch(request('t1')))
    await stage.close(held)
    const offers = stage.calls.filter((call) => call === 'queue.offer').length
    stage.file.text = newer
    const writes = stage.file.writes.length
    await expect(stage.open()).rejects.toMatchObject({
      code: 'GATE_FAILED',
      details: { gate: 'state-file', version: 400, path: stage.file.path },
    })
    await stage.clock.advance(60_000)
    expect([stage.file.text, stage.file.writes.length, stage.file.kept]).toEqual([newer, writes, []])
    expect(stage.calls.filter((call) => call === 'queue.offer')).toHaveLength(offers)
    expect(stage.of('resumed').at(-1)?.gates.at(-1)).toMatchObject({
      ...{ gate: 'state-file', pass: false },
      evidence: expect.stringContaining('version 400'),
    })
    stage.file.text = null
    await stage.open()
    await stage.written()
  })

  it('fails the gate of a new run too: its log is somewhere else', async () => {
    const stage = new StateFileStage()
    stage.file.text = newer
    await expect(stage.open()).rejects.toMatchObject({ code: 'GATE_FAILED', details: { gate: 'state-file' } })
    expect(stage.file.text).toBe(newer)
  })

  it('is left alone by whoever holds the run, who says so and refuses to complete until it is away', async () => {
    const { stage, held } = await notedRun()
    const { run } = held
    const heard = listen(run)
    stage.file.text = newer
    await stage.clock.run(run.note('four'))
    await stage.clock.advance(1_000)
    expect(stage.file.text).toBe(newer)
    expect(new Set(heard.failures)).toEqual(new Set(['STATE_FILE_FAILED']))
    await expect(stage.clock.run(run.complete('done'))).rejects.toMatchObject({ code: 'STATE_FILE_FAILED' })
    stage.file.text = null
    await stage.clock.run(run.complete('done'))
    expect(stage.said).toEqual(stage.logged)
  })
})

describe('a state file that cannot be used', () => {
  it.each(['read', 'replace', 'keepAside'] as const)(
    'for its %s fails: the gate fails, on record, and passes later',
    async (method) => {
      const { stage, held } = await notedRun()
      await stage.close(held)
      const text = spoiled(stage, edited)
      stage.file.fail(method)
      await expect(stage.open()).rejects.toMatchObject({
        code: 'STATE_FILE_FAILED',
        message: expect.stringContaining('ENOSPC: no space left on device'),
      })
      expect(stage.of('resumed').at(-1)?.gates.at(-1)).toMatchObject({ gate: 'state-file', pass: false })
      expect(stage.file.text).toBe(text)
      stage.file.fail()
      await stage.open()
      await stage.written()
      expect(stage.file.kept).toEqual([text])
    },
  )

  it('for its disk never answers: the gate fails within a minute', async () => {
    const { stage, held } = await notedRun()
    await stage.close(held)
    stage.file.fate = () => new Promise(() => {})
    const from = stage.clock.now()
    await expect(stage.open()).rejects.toMatchObject({ code: 'STATE_FILE_FAILED' })
    expect(stage.clock.now() - from).toBeLessThan(60_000)
  })

  it('keeps a run that has ended from being shown without it', async () => {
    const { stage, held } = await notedRun()
    await stage.clock.run(held.run.complete('done'))
    stage.file.text = null
    stage.file.fail('replace')
    await expect(stage.open()).rejects.toMatchObject({ code: 'STATE_FILE_FAILED' })
    stage.file.fail()
    await stage.open()
    expect(stage.said).toEqual(stage.logged)
  })

  it('is not overwritten while what somebody wrote cannot be kept aside', async () => {
    const { stage, held } = await notedRun()
    const heard = listen(held.run)
    const text = spoiled(stage, edited)
    stage.file.fail('keepAside')
    await stage.clock.run(held.run.note('four'))
    await stage.clock.advance(10_000)
    expect(stage.file.text).toBe(text)
    expect(new Set(heard.failures)).toEqual(new Set(['STATE_FILE_FAILED']))
    stage.file.fail()
    await stage.clock.advance(6_000)
    expect(stage.said).toEqual(stage.logged)
    expect(heard.drifts).toEqual([`edited ${stage.file.path}.kept-0`])
  })

  it('keeps an edit that came between looking and writing', async () => {
    const { stage, held } = await notedRun()
    const heard = listen(held.run)
    let edits = 0
    stage.file.fate = (method, phase) => {
      if (method === 'read' && phase === 'after' && ++edits <= 2) stage.file.text = `# Edit ${edits}\n`
      return 'go'
    }
    await stage.clock.run(held.run.note('four'))
    await stage.written()
    expect(stage.file.kept).toEqual(['# Edit 1\n', '# Edit 2\n'])
    expect(heard.failures).toEqual([])
  })
})

describe('two coordinators of one run', () => {
  it.each(['read', 'replace'] as const)(
    'leave the file to the one that holds it, when the other was stopped in the middle of its %s',
    async (method) => {
      for (const phase of ['before', 'after'] as const) {
        const { stage, held } = await notedRun()
        let isStopped = false
        stage.file.fate = (called, when, by) => {
          if (by === held.runtime && called === method && when === phase && !isStopped) {
            isStopped = true
            held.runtime.pause()
          }
          return 'go'
        }
        await stage.clock.run(held.run.note('the last of the first'))
        await stage.clock.advance(1_000)
        expect(isStopped).toBe(true)
        const second = await stage.open({ takeover: 'now' })
        await stage.clock.run(second.run.note('the first of the second'))
        await stage.written()
        const text = stage.file.text
        const heard = listen(second.run)

        held.runtime.resume()
        await stage.clock.advance(60_000)
        expect(held.run.signal.aborted).toBe(true)
        expect(stage.file.text).toBe(text)
        expect(stage.file.kept).toEqual([])
        expect(heard).toEqual({ failures: [], drifts: [] })
      }
    },
  )

  it('end the one that finds a newer file, even if it has nothing to append', async () => {
    const { stage, held } = await notedRun()
    stage.append(
      [{ type: 'lock-acquired', v: 1, data: { holder: { id: 'x', host: 'h', pid: 1 }, reason: 'forced' } }],
      'x',
      9,
    )
    stage.file.text = stateFileOf(runId, stage.logged.version, stage.logged.commit)
    const completing = stage.clock.run(held.run.complete('all read'))
    await expect(completing).rejects.toMatchObject({ code: 'LOCK_LOST' })
    expect(held.run.signal.aborted).toBe(true)
  })
})

it('two runs that were given one file by mistake say so, and do not fill the disk', async () => {
  const { stage, held } = await notedRun()
  const process = stage.process()
  const other = await stage.clock.run(
    openRun({ ...process, runId: 'run-2', goal, stateFile: stage.file.of(process.runtime) }),
  )
  const heard = [listen(held.run), listen(other)]
  for (let n = 0; n < 200; n++) {
    await stage.clock.run(Promise.all([held.run.note(`note ${n}`), other.note(`note ${n}`)]))
    await stage.clock.advance(300)
  }
  expect(stage.file.kept.length).toBeLessThanOrEqual(41)
  expect(heard.flatMap(({ failures }) => failures)).toContain('STATE_FILE_FAILED')
  // One of them has the file in the end; the other cannot be completed over it.
  const endings = await stage.clock.run(Promise.allSettled([held.run.complete('done'), other.complete('done')]))
  expect(endings.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  const message = expect.stringContaining('give each run a file of its own')
  expect(endings.find(({ status }) => status === 'rejected')).toMatchObject({
    reason: { code: 'STATE_FILE_FAILED', message },
  })
})
