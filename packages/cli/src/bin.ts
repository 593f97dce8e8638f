#!/usr/bin/env node
import { exitCodes } from './exit-codes.js'

// Whoever types waits for completions: they load only what they need.
const { main } = process.argv[2] === '__complete' ? await import('./complete/complete.js') : await import('./main.js')

const stop = new AbortController()
let signalled: NodeJS.Signals | undefined

const numbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const
for (const name of Object.keys(numbers) as (keyof typeof numbers)[]) {
  process.on(name, () => {
    // Who asks twice does not want to wait.
    if (signalled !== undefined) process.exit(128 + numbers[name])
    signalled = name
    stop.abort()
  })
}
// Who writes is told. A command that goes on by itself ends as after Ctrl-C: what it holds is let go.
process.stdout.on('error', () => stop.abort())
// What is said beside the result is of no use to a reader who is gone.
process.stderr.on('error', () => {})

const code = await main({
  args: process.argv.slice(2),
  cwd: process.cwd(),
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: stop.signal,
})
// What was written to a pipe may still be on its way.
for (const stream of [process.stdout, process.stderr]) await new Promise((resolve) => stream.write('', resolve))
// Everything was closed: what a library left open must not keep the shell waiting.
// A command that was told to stop has not found its backend unavailable.
const stopped = signalled !== undefined && (code === exitCodes.ok.code || code === exitCodes.unavailable.code)
process.exit(stopped ? 128 + numbers[signalled as keyof typeof numbers] : code)
