import { testAdapter } from '@reprise/conformance'
import { describe, expect, it } from 'vitest'
import { MemoryBackend, memoryAdapter } from '../src/testing.js'
import { steadyRuntime } from './steady-runtime.js'

const create = async () => {
  const backend = new MemoryBackend()
  return {
    open: async () => memoryAdapter({ backend, runtime: steadyRuntime }),
    openMortal: async () => {
      const adapter = memoryAdapter({ backend, runtime: steadyRuntime })
      // Unnoticed: what it held has to run out, as on most backends.
      return { adapter, kill: async () => adapter.kill({ noticed: false }) }
    },
  }
}

testAdapter(
  {
    name: 'memory',
    create,
    teardown: async () => {},
    capabilities: { artifacts: true, snapshots: true, summaries: true, earlierWorkers: true },
    ttlMs: 150,
  },
  { describe, it, expect },
)
