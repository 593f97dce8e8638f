#!/usr/bin/env node
import { main } from './main.js'

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
// Nobody reads on: `reprise log RUN | head -1` ends like this, and nothing is wrong.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

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
process.exit(signalled === undefined || code !== 0 ? code : 128 + numbers[signalled as keyof typeof numbers])
