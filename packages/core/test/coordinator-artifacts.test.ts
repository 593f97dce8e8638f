import { describe, expect, it } from 'vitest'
import type { Artifact } from '../src/protocol/receipt.js'
import { RunStage, request } from './run-stage.js'

async function* chunks(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

/** A run with one task out, and an artifact of it that a worker has stored. */
async function withArtifact(artifactBytesMax = 1024) {
  const stage = new RunStage()
  const { run } = await stage.open({ policy: { artifactBytesMax } })
  await stage.clock.run(run.dispatch(request('t1')))
  const stored = await stage.clock.run(stage.outside.adapter.artifacts!.put(chunks('seven lines'), 1024))
  const artifact: Artifact = { name: 'report', ...stored }
  return { stage, run, artifact }
}

describe('an artifact that a receipt names', () => {
  it('is read again by the coordinator before its receipt is recorded', async () => {
    const { stage, run, artifact } = await withArtifact()
    await stage.answer('t1', { artifacts: [artifact] })
    expect(stage.calls).toContain('artifacts.check')
    expect(stage.of('receipt-received')).toMatchObject([{ verified: { artifacts: 1, bytes: artifact.bytes } }])
    await stage.clock.run(run.accept('t1'))
    expect(run.status.counts).toMatchObject({ accepted: 1 })
  })

  it('was changed after the worker stored it: the receipt is refused, and there is nothing to accept', async () => {
    const { stage, run, artifact } = await withArtifact()
    stage.backend.files.set(artifact.path, Buffer.from('eight lines'))
    await stage.answer('t1', { artifacts: [artifact] })
    expect(stage.of('receipt-rejected')).toMatchObject([{ gate: 'artifacts', taskId: 't1' }])
    await expect(stage.clock.run(run.accept('t1'))).rejects.toMatchObject({ code: 'NO_RECEIPT' })
    expect(run.status.counts).toMatchObject({ out: 1, received: 0, accepted: 0 })
  })

  it('is larger than the run allows: the receipt is refused, whatever limit the worker had kept to', async () => {
    const { stage, artifact } = await withArtifact(10)
    await stage.answer('t1', { artifacts: [artifact] })
    expect(stage.of('receipt-rejected')).toMatchObject([{ gate: 'artifacts', taskId: 't1' }])
  })

  it('cannot be read, for the adapter has no store: the receipt is refused', async () => {
    const { stage, run, artifact } = await withArtifact()
    await stage.clock.run(run.close())
    const { runtime, adapter } = stage.process()
    const { artifacts: _none, ...without } = adapter
    const { run: blind } = await stage.open({}, { runtime, adapter: without as typeof adapter })
    await stage.answer('t1', { artifacts: [artifact] })
    expect(stage.of('receipt-rejected')).toMatchObject([{ gate: 'artifacts', taskId: 't1' }])
    expect(blind.status.counts).toMatchObject({ out: 1, received: 0 })
  })
})
