import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Runtime } from '../ports/runtime.js'

/** The real world. The only place in core that touches it, with `on-signals`. */
export const systemRuntime: Runtime = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      // Longer timers would fire at once.
      const timer = setTimeout(done, Math.min(ms, 2 ** 31 - 1))
      signal?.addEventListener('abort', done, { once: true })
    }),
  randomId: () => randomBytes(12).toString('hex'),
  defer: (task) => {
    setImmediate(task)
  },
  host:
    hostname()
      .replace(/[^A-Za-z0-9._-]/g, '-')
      .slice(0, 64) || 'localhost',
  pid: process.pid,
}
