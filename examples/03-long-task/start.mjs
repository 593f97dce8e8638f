// `node examples/03-long-task/start.mjs`: everything from a bare clone to the example.
import { runNode, setUp } from '../../scripts/setup.mjs'

await setUp()
process.exitCode = await runNode(['examples/03-long-task/main.mjs', ...process.argv.slice(2)])
