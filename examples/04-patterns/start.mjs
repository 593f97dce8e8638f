// `node examples/04-patterns/start.mjs`: everything from a bare clone to the example.
import { runNode, setUp } from '../../scripts/setup.mjs'

await setUp()
process.exitCode = await runNode(['examples/04-patterns/main.mjs', ...process.argv.slice(2)])
