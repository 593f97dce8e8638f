import { vi } from 'vitest'

// A slow machine is no failure: whoever promises something about time says it in an assertion of its own.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 })

/** For what must come by itself, however slow the machine is. What must not be waited for takes longer. */
export const patienceMs = 60_000
