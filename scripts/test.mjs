// npm test: set-up, then vitest once. Arguments are vitest's: npm test -- packages/core/test/some.test.ts -t "a name"
import { runNode, setUp } from './setup.mjs'

await setUp()
await obtainServers()
process.exitCode = await runNode(['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)])

/**
 * Redis and NATS, before a test has a deadline for them. Where they cannot be had, the tests that need them fail with
 * the same words; the others run.
 */
async function obtainServers() {
  const servers = await import('@reprise/test-servers')
  try {
    await servers.obtainServers({ private: true })
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
  }
}
