import { testAdapter } from '@reprise/conformance'
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { combineAdapters, defineTask, openRun, runIdSchema, startWorker } from '../src/index.js'
import type { Adapter, Diagnosis } from '../src/ports/adapter.js'
import { MemoryBackend, memoryAdapter } from '../src/testing.js'
import { steadyRuntime } from './steady-runtime.js'

/** Five backends, one per port: whatever goes to the wrong one is not found again. */
const create = async () => {
  const [log, leases, queue, inbox, artifacts] = Array.from({ length: 5 }, () => new MemoryBackend())
  const over = (backend: MemoryBackend | undefined) =>
    memoryAdapter({ backend: backend as MemoryBackend, runtime: steadyRuntime })
  const parts = () => ({
    log: over(log),
    leases: over(leases),
    queue: over(queue),
    inbox: over(inbox),
    artifacts: over(artifacts),
  })
  return {
    open: async () => combineAdapters(parts()),
    openMortal: async () => {
      const members = parts()
      const kill = async () => {
        for (const member of Object.values(members)) member.kill({ noticed: false })
      }
      return { adapter: combineAdapters(members), kill }
    },
  }
}

testAdapter(
  {
    name: 'combined',
    create,
    teardown: async () => {},
    capabilities: { artifacts: true, snapshots: true, summaries: true, earlierWorkers: true },
    ttlMs: 150,
  },
  { describe, it, expect },
)

const named = (name: string, durable: Diagnosis['durable'], message = 'fine'): Adapter => {
  const adapter = memoryAdapter()
  const findings = [{ name: 'state', level: 'ok' as const, message }]
  return { ...adapter, name, diagnose: async () => ({ adapter: name, durable, findings }) }
}

describe('combineAdapters', () => {
  it('leaves to the adapter of the log what is not named', async () => {
    const log = memoryAdapter()
    const queue = memoryAdapter()
    const combined = combineAdapters({ log, queue })
    expect(combined.log).toBe(log.log)
    expect(combined.queue).toBe(queue.queue)
    expect(combined.inbox).toBe(log.inbox)
    expect(combined.leases).toBe(log.leases)
    expect(combined.artifacts).toBe(log.artifacts)
    await combined.close()
  })

  it('runs a task whose log, delivery and artifacts are in three places', async () => {
    const combined = combineAdapters({ log: memoryAdapter(), queue: memoryAdapter(), artifacts: memoryAdapter() })
    const write = defineTask('write', { input: z.string(), output: z.null() })
    const handler = write.handle(async (text, { artifact }) => {
      await artifact('text', text)
      return null
    })
    const worker = await startWorker({ adapter: combined, handlers: [handler] })
    const run = await openRun({ adapter: combined, runId: 'mixed', goal: 'mix', tasks: [write] })
    await run.dispatch([write.task('t', 'hello')])
    for await (const result of run.results()) await result.accept()
    expect(run.status.counts.accepted).toBe(1)
    await run.complete('done')
    await worker.close()
    expect(await combined.log.head(runIdSchema.parse('mixed'))).not.toBe(null)
    await combined.close()
  })

  it('names its members once, and the log first', async () => {
    const redis = named('redis', 'process')
    const combined = combineAdapters({ log: redis, queue: named('nats', 'process'), inbox: redis })
    expect(combined.name).toBe('redis+nats')
    await combined.close()
  })

  it('has no artifact store if the log has none, and refuses one that is named and has none', async () => {
    const { artifacts: _, ...without } = memoryAdapter()
    expect('artifacts' in combineAdapters({ log: without })).toBe(false)
    expect(() => combineAdapters({ log: memoryAdapter(), artifacts: { ...without, name: 'bare' } })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringContaining('"bare"') }),
    )
  })

  it('closes every member once, even if one fails, and tells the failure', async () => {
    const log = named('log', 'os')
    const queue = named('queue', 'os')
    const closeLog = vi.fn(async () => Promise.reject(new Error('stuck')))
    const closeQueue = vi.fn(queue.close)
    const combined = combineAdapters({ log: { ...log, close: closeLog }, queue: { ...queue, close: closeQueue } })
    await expect(combined.close()).rejects.toThrow('stuck')
    expect(closeLog).toHaveBeenCalledTimes(1)
    expect(closeQueue).toHaveBeenCalledTimes(1)
  })

  it('diagnoses every member, and is as durable as its log', async () => {
    const combined = combineAdapters({ log: named('redis', 'process', 'slow'), queue: named('nats', 'nothing') })
    const { adapter, durable, findings } = await combined.diagnose()
    expect([adapter, durable]).toEqual(['redis+nats', 'process'])
    expect(findings.map(({ message }) => message)).toEqual(['redis: slow', 'nats: fine'])
    await combined.close()
  })

  it('warns of an inbox that keeps less than the log does', async () => {
    const combined = combineAdapters({ log: named('files', 'os'), inbox: named('redis', 'process') })
    const { findings } = await combined.diagnose()
    expect(findings.at(-1)).toMatchObject({ name: 'inbox-weaker-than-log', level: 'warning' })
    await combined.close()
  })
})
