// npm run bench: set-up, then the benchmarks.
import { runNode, setUp } from './setup.mjs'

await setUp()
process.exitCode = await runNode(['benchmarks/main.mjs', ...process.argv.slice(2)])
