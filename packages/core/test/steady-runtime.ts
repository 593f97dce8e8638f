import type { Runtime } from '../src/ports/runtime.js'
import { systemRuntime } from '../src/runtime/system-runtime.js'

const tickMs = 5
const tickMsMax = 20

let nowMs = systemRuntime.now()
let tickedAtMs = performance.now()

setInterval(() => {
  const sinceMs = performance.now() - tickedAtMs
  tickedAtMs += sinceMs
  nowMs += Math.min(Math.floor(sinceMs), tickMsMax)
}, tickMs).unref()

/**
 * The real runtime, but for its clock: where a whole machine stands still for seconds, no time passes in between.
 * For adapters that are all in this process: a claim that is kept alive every 100 ms would run out during a
 * standstill that began right after a heartbeat, and whether anybody notices depends on whose timer is first then.
 */
export const steadyRuntime: Runtime = { ...systemRuntime, now: () => nowMs }
