import { testAdapter } from '@reprise/conformance'
import { describe, expect, it } from 'vitest'
import { MemoryBackend, memoryAdapter } from '../src/testing.js'

const create = async () => {
  const backend = new MemoryBackend()
  return {
    open: async () => memoryAdapter({ backend }),
    openMortal: async () => {
      const adapter = memoryAdapter({ backend })
      // Unnoticed: what it held has to run out, as on most backends.
      return { adapter, kill: async () => adapter.kill({ noticed: false }) }
    },
  }
}

testAdapter(
  { name: 'memory', create, teardown: async () => {}, capabilities: { artifacts: true }, ttlMs: 150 },
  { describe, it, expect },
)
