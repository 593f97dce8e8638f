// npm start: everything from a bare clone to a running fleet.
import { runNode, setUp } from './setup.mjs'

await setUp()
process.exitCode = await runNode(['examples/01-fleet/main.mjs', ...process.argv.slice(2)])
