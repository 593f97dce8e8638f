/** The door for tests: an adapter in memory, a clock that a test drives, and what makes log records by hand. */
export { encodeCommit, genesisHash } from './log/commit-record.js'
export { type MemoryAdapter, type MemoryAdapterOptions, memoryAdapter } from './memory/memory-adapter.js'
export { MemoryBackend } from './memory/memory-backend.js'
export type { Choose, Intercept, PortCall } from './memory/memory-faults.js'
export type { MortalRuntime } from './memory/memory-process.js'
export { seededRandom } from './memory/seeded-random.js'
export { type ProcessOptions, SimulatedClock, type SimulationOptions } from './memory/simulated-clock.js'
export type { SimulatedProcess } from './memory/simulated-process.js'
