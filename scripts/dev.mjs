// npm run dev: set-up, then the compiler and the tests, both watching. Arguments are vitest's.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packageFolders, root, run, runNode, setUp } from './setup.mjs'

await setUp()
// The compiler itself and not its JavaScript front, which would die alone and leave it behind.
const front = pathToFileURL(join(root, 'node_modules/typescript/lib/getExePath.js')).href
const { default: compilerPath } = await import(front)
const compiler = run(compilerPath(), ['-b', '--watch', '--preserveWatchOutput', ...packageFolders()])
const tests = runNode(['node_modules/vitest/vitest.mjs', 'watch', ...process.argv.slice(2)])
// Leaving vitest (q) ends the session; a compiler that cannot start does too.
process.exit(await Promise.race([compiler, tests]))
