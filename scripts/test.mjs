// npm test: set-up, then vitest once. Arguments are vitest's: npm test -- packages/core/test/some.test.ts -t "a name"
import { runNode, setUp } from './setup.mjs'

await setUp()
process.exitCode = await runNode(['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)])
