// `node examples/02-compacted-coordinator/start.mjs`: everything from a bare clone to the example.
import { runNode, setUp } from '../../scripts/setup.mjs'

await setUp()
process.exitCode = await runNode(['examples/02-compacted-coordinator/main.mjs', ...process.argv.slice(2)])
