import { describe, expect, it } from 'vitest'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import { MemoryBackend } from '../src/memory/memory-backend.js'
import { SimulatedClock } from '../src/memory/simulated-clock.js'
import type { RunId } from '../src/protocol/ids.js'
import { copyRun } from '../src/replay/copy-run.js'
import { dispatch, given, receipt } from './given-run.js'
import { adapterWith, emptyAdapter, ended, fileOf, forkedLines, linesIn, open, rowsOf, runId } from './moved-runs.js'
import { backendWith } from './snapshot-of.js'

describe('a copy of a run', () => {
  it('has the same lines, byte for byte, and leaves the original as it is', async () => {
    for (const [lines, id] of [
      [ended, runId],
      [await forkedLines(), 'fork-1' as RunId],
    ] as const) {
      const [from, to] = [adapterWith(lines, id), emptyAdapter()]
      const report = await copyRun(from, to, id, { open: true })
      expect(report).toMatchObject({ runId: id, commits: lines.length, appended: lines.length, artifacts: null })
      expect(await linesIn(to.log, id)).toEqual(lines)
      expect(await linesIn(from.log, id)).toEqual(lines)
    }
  })

  it('that was killed at any commit is gone on with, and a whole one is only compared', async () => {
    for (let kill = 1; kill <= ended.length; kill++) {
      const clock = new SimulatedClock()
      const backend = new MemoryBackend()
      let left = kill
      backend.intercept = ({ method, phase }) =>
        method === 'append' && phase === 'after' && --left === 0 ? 'kill' : 'go'
      const doomed = memoryAdapter({ backend, runtime: clock.process() })
      void copyRun(adapterWith(ended), doomed, runId).catch(() => {})
      await clock.settle()
      expect(backend.recordsOf(runId)).toHaveLength(kill)
      backend.intercept = () => 'go'
      const to = memoryAdapter({ backend })
      expect(await copyRun(adapterWith(ended), to, runId)).toMatchObject({ appended: ended.length - kill })
      expect(await linesIn(to.log)).toEqual(ended)
      expect(await copyRun(adapterWith(ended), to, runId)).toMatchObject({ appended: 0, commits: ended.length })
    }
  })

  it('is listed as the original is, without a look into the log, and is whole where no summary can be kept', async () => {
    const [backend, poor] = [new MemoryBackend(), new MemoryBackend()]
    poor.intercept = ({ port }) => (port === 'summaries' ? 'fail' : 'go')
    for (const [of, source] of [
      [backend, 'summary'],
      [poor, 'log'],
    ] as const) {
      const to = memoryAdapter({ backend: of })
      expect(await copyRun(adapterWith(ended), to, runId)).toMatchObject({ appended: ended.length })
      expect(await rowsOf(to)).toEqual([{ ...(await rowsOf(adapterWith(ended)))[0], source }])
    }
  })

  it('is refused where another log of that name is, or a longer one, with the commit from which on they differ', async () => {
    const other = given({ inFlightMax: 1 }, { type: 'fail', reason: 'x' }).lines
    for (const [there, index] of [
      [other, 0],
      [[...ended.slice(0, 7), ...other.slice(7)], null],
      [ended, open.length],
    ] as const) {
      const to = adapterWith(there)
      const copied = copyRun(adapterWith(open), to, runId, { open: true })
      if (index === null) await copied
      else await expect(copied).rejects.toMatchObject({ code: 'RUN_MISMATCH', details: { index } })
      if (index !== null) expect(await linesIn(to.log)).toEqual(there)
    }
  })

  it('of a run that has not ended is refused unless asked for, and always while somebody holds it', async () => {
    const [from, to] = [adapterWith(open), emptyAdapter()]
    await expect(copyRun(from, to, runId)).rejects.toMatchObject({ code: 'RUN_OPEN' })
    const lease = await from.leases.acquire(`run/${runId}`, { id: 'somebody', host: 'h', pid: 1 }, 60_000)
    await expect(copyRun(from, to, runId, { open: true })).rejects.toMatchObject({ code: 'RUN_HELD' })
    expect(await linesIn(to.log)).toEqual([])
    if (lease.held) await from.leases.release(lease)
    // A run whose name begins the same is another one.
    await from.leases.acquire(`run/${runId}0`, { id: 'somebody', host: 'h', pid: 1 }, 60_000)
    expect(await copyRun(from, to, runId, { open: true })).toMatchObject({ open: true, appended: open.length })
  })

  it('of a run with which somebody goes on meanwhile is not called whole', async () => {
    const backend = backendWith(runId, open)
    const from = memoryAdapter({ backend })
    const clock = new SimulatedClock()
    const target = new MemoryBackend()
    target.intercept = ({ method, phase }) => {
      if (method === 'append' && phase === 'after')
        backend.runs.records.set(runId, backendWith(runId, ended).runs.records.get(runId) ?? [])
      return 'go'
    }
    const to = memoryAdapter({ backend: target, runtime: clock.process() })
    await expect(clock.run(copyRun(from, to, runId, { open: true }))).rejects.toMatchObject({ code: 'RUN_HELD' })
    expect(await linesIn(memoryAdapter({ backend: target }).log)).toEqual(open)
  })

  it('is refused when the original is damaged, is unknown, or is that of another run, and nothing is written', async () => {
    const damaged = ended.map((line, i) => (i === 5 ? line.replace('"v":1', '"v":9') : line))
    const to = emptyAdapter()
    await expect(copyRun(adapterWith(damaged), to, runId)).rejects.toMatchObject({
      code: 'LOG_CORRUPT',
      details: { index: 5 },
    })
    await expect(copyRun(emptyAdapter(), to, runId)).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
    const named = 'renamed' as RunId
    await expect(copyRun(adapterWith(ended, named), to, named)).rejects.toMatchObject({ code: 'RUN_MISMATCH' })
    const signal = AbortSignal.abort()
    await expect(copyRun(adapterWith(ended), to, runId, { signal })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await linesIn(to.log)).toEqual([])
  })
})

describe('the artifacts of a run', () => {
  /** A run with an accepted receipt, one that waits, and a rejected one, each naming an artifact and one that all name. */
  async function stage() {
    const from = memoryAdapter({ backend: new MemoryBackend() })
    const put = (text: string) => from.artifacts.put(fileOf(text)(), 1_000)
    const all = await put('of all')
    const named = async (text: string) => [
      { name: 'own', ...(await put(text)) },
      { name: 'shared', ...all },
    ]
    const step = async (taskId: string) => {
      const artifacts = await named(`of ${taskId}`)
      return receipt(
        taskId,
        { artifacts },
        { artifacts: artifacts.map((artifact) => ({ ok: true, artifact })), outputProblem: null },
      )
    }
    const run = given(
      {},
      dispatch('accepted', 'waits', 'rejected'),
      await step('accepted'),
      await step('waits'),
      await step('rejected'),
    )
    run.and({ type: 'accept', taskId: 'accepted' }, { type: 'reject', taskId: 'rejected', reason: 'no' })
    const backend = backendWith(runId, run.lines)
    return { from: { ...memoryAdapter({ backend }), artifacts: from.artifacts }, named }
  }
  const options = { open: true, artifacts: true }

  it('are copied if a receipt that counts names them, each once, and read again where they arrive', async () => {
    const { from, named } = await stage()
    const to = emptyAdapter()
    const bytes = 'of all'.length + 'of accepted'.length + 'of waits'.length
    expect((await copyRun(from, to, runId, options)).artifacts).toEqual({ artifacts: 3, bytes, found: 0 })
    expect((await copyRun(from, to, runId, options)).artifacts).toEqual({ artifacts: 3, bytes, found: 3 })
    const there = async (text: string) => {
      const [artifact] = await named(text)
      const chunks: Uint8Array[] = []
      if (artifact !== undefined) for await (const chunk of to.artifacts.read(artifact)) chunks.push(chunk)
      return Buffer.concat(chunks).toString()
    }
    expect([await there('of accepted'), await there('of waits')]).toEqual(['of accepted', 'of waits'])
    await expect(there('of rejected')).rejects.toMatchObject({ code: 'ARTIFACT_MISSING' })
  })

  it('stop the copy when one is missing or damaged, or there is no store for them: the log is not written then', async () => {
    const to = emptyAdapter()
    await expect(copyRun(adapterWith(ended), to, runId, options)).rejects.toMatchObject({ code: 'ARTIFACT_MISSING' })
    const { from } = await stage()
    const other = async function* (): AsyncGenerator<Uint8Array, void> {
      yield Buffer.from('altered')
    }
    const altered = { ...from, artifacts: { ...from.artifacts, read: other } }
    await expect(copyRun(altered, to, runId, options)).rejects.toMatchObject({
      code: expect.stringMatching(/^ARTIFACT_/),
    })
    const { artifacts: _, ...without } = emptyAdapter()
    await expect(copyRun(from, without, runId, options)).rejects.toMatchObject({ code: 'NO_ARTIFACTS' })
    expect(await linesIn(to.log)).toEqual([])
  })
})
