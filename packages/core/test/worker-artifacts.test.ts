import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { isRepriseError } from '../src/protocol/errors.js'
import { limits } from '../src/protocol/limits.js'
import { defineTask, type TaskHandler } from '../src/worker/define-task.js'
import type { ArtifactSource, TaskContext } from '../src/worker/task-context.js'
import { gate, WorkerFleet } from './worker-fleet.js'

const make = defineTask('make', { input: z.null(), output: z.unknown() })

const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex')
const codeOf = (error: unknown) => (isRepriseError(error) ? error.code : error)

/**
 * The receipt of one task whose handler is `work`. A handler that reads the disk says so: simulated time, which
 * knows nothing of the disk and would run past every deadline, then stands still until the handler has ended.
 */
async function receiptOf(
  work: (task: TaskContext) => unknown,
  options: { artifactBytesMax?: number; readsDisk?: boolean } = {},
) {
  const { readsDisk = false, ...offer } = options
  const fleet = new WorkerFleet()
  let working: unknown
  const handle = (task: TaskContext): unknown => {
    working = work(task)
    return working
  }
  await fleet.worker([make.handle((_input, task) => handle(task))])
  await fleet.offer(make.task('t', null), offer)
  if (readsDisk) {
    await fleet.clock.runUntil(() => working !== undefined)
    await working
  }
  await fleet.clock.runUntil(() => fleet.receipts().length === 1)
  return { fleet, receipt: fleet.receipts()[0] }
}

async function* chunks(count: number, size: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield new Uint8Array(size).fill(i)
}

describe('artifacts of an attempt', () => {
  it('are stored, hashed and named in the receipt in the order in which they were begun', async () => {
    const slow = gate()
    async function* late(): AsyncGenerator<Uint8Array> {
      await slow.promise
      yield Buffer.from('late')
    }
    const { fleet, receipt } = await receiptOf(async ({ artifact }) => {
      const first = artifact('late.bin', late())
      await artifact('text.json', '{"é":1}', { mediaType: 'application/json' })
      slow.open()
      await first
      await artifact('bytes.bin', Uint8Array.of(1, 2, 3))
      return null
    })
    expect(receipt?.artifacts).toMatchObject([
      { name: 'late.bin', sha256: sha256('late'), bytes: 4 },
      { name: 'text.json', sha256: sha256('{"é":1}'), bytes: 8, mediaType: 'application/json' },
      { name: 'bytes.bin', sha256: sha256(Uint8Array.of(1, 2, 3)), bytes: 3 },
    ])
    const { check } = fleet.coordinator.artifacts
    for (const { path, sha256, bytes } of receipt?.artifacts ?? []) {
      expect(await check({ path, sha256, bytes }, 100)).toMatchObject({ ok: true })
    }
  })

  it('can be streamed from a local file', async () => {
    const file = fileURLToPath(import.meta.url)
    const { receipt } = await receiptOf(({ artifact }) => artifact('me.ts', createReadStream(file)), {
      readsDisk: true,
    })
    expect(receipt?.artifacts[0]).toEqual(receipt?.output)
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(file)) hash.update(chunk)
    expect(receipt?.artifacts[0]?.sha256).toBe(hash.digest('hex'))
  })

  it('are waited for when the handler does not', async () => {
    const { receipt } = await receiptOf(({ artifact }) => {
      void artifact('a.bin', chunks(3, 100))
      return null
    })
    expect(receipt).toMatchObject({ status: 'completed', artifacts: [{ name: 'a.bin', bytes: 300 }] })
  })

  it('fail the attempt when they fail and nobody waited for them', async () => {
    const hold = gate()
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(1)
      await hold.promise
      throw new Error('the source broke')
    }
    const { receipt } = await receiptOf(({ artifact }) => {
      void artifact('a.bin', broken())
      queueMicrotask(() => hold.open())
      return null
    })
    expect(receipt).toMatchObject({ status: 'failed', artifacts: [], error: { message: 'the source broke' } })
  })

  it('stay in the receipt of an attempt that fails later', async () => {
    const { receipt } = await receiptOf(async ({ artifact }) => {
      await artifact('log.txt', 'what happened')
      throw new Error('and then it broke')
    })
    expect(receipt).toMatchObject({ status: 'failed', artifacts: [{ name: 'log.txt' }] })
  })

  it('beyond the size that the run allows are refused; the handler may go on without', async () => {
    const { receipt } = await receiptOf(
      async ({ artifact }) => {
        const refused = await artifact('big.bin', chunks(3, 100)).catch(codeOf)
        await artifact('big.bin', chunks(1, 100))
        return refused
      },
      { artifactBytesMax: 250 },
    )
    expect(receipt).toMatchObject({ output: 'ARTIFACT_TOO_LARGE', artifacts: [{ name: 'big.bin', bytes: 100 }] })
  })

  it.each<[string, string, ArtifactSource, string | undefined]>([
    ['without a name', '', 'x', undefined],
    ['whose name is too long', 'x'.repeat(257), 'x', undefined],
    ['whose media type is too long', 'a', 'x', 'x'.repeat(257)],
    ['whose name is taken', 'taken', 'x', undefined],
    ['whose source gives texts', 'a', createReadStream(fileURLToPath(import.meta.url), 'utf8'), undefined],
  ])('%s are refused', async (_what, name, source, mediaType) => {
    const work = async ({ artifact }: TaskContext): Promise<unknown> => {
      await artifact('taken', 'x')
      return artifact(name, source, mediaType === undefined ? {} : { mediaType }).catch(codeOf)
    }
    const { receipt } = await receiptOf(work, { readsDisk: true })
    expect(receipt).toMatchObject({ output: 'INVALID_INPUT', artifacts: [{ name: 'taken' }] })
  })

  it('beyond the number that a receipt can name are refused', async () => {
    const { receipt } = await receiptOf(async ({ artifact }) => {
      for (let i = 0; i < limits.artifactsMax; i++) await artifact(`a-${i}`, 'x')
      return artifact('one more', 'x').catch(codeOf)
    })
    expect(receipt?.output).toBe('TOO_LARGE')
    expect(receipt?.artifacts).toHaveLength(limits.artifactsMax)
  })

  it('need an adapter that can store them', async () => {
    const fleet = new WorkerFleet()
    const handler: TaskHandler = make.handle((_input, { artifact }) => artifact('a', 'x').catch(codeOf))
    await fleet.worker([handler], { adapter: fleet.adapterWithoutArtifacts() })
    await fleet.offer(make.task('t', null))
    expect(fleet.receipts()[0]?.output).toBe('NO_ARTIFACTS')
  })

  it('stop streaming at the deadline', async () => {
    const fleet = new WorkerFleet()
    const stopped = gate<unknown>()
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve))
        yield new Uint8Array(1)
      }
    }
    await fleet.worker([
      make.handle(async (_input, { artifact }) => {
        stopped.open(await artifact('endless', endless()).catch(codeOf))
        return null
      }),
    ])
    await fleet.offer(make.task('t', null), { timeoutMs: 1000 })
    await fleet.clock.advance(1000)
    expect(await stopped.promise).toBe('TIMEOUT')
    expect(fleet.receipts()).toMatchObject([{ status: 'failed', error: { code: 'DEADLINE' }, artifacts: [] }])
  })
})
