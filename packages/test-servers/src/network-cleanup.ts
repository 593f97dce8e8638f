import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type Guard, startGuard } from './guard.js'
import { ip } from './ip-command.js'

const run = promisify(execFile)
const cleanupWithinMs = 30_000
const madeBy = /^(?:reprise-(\d+)-\d+|\d+: rp(\d+)b\d+:)/gm

/** Removes the namespaces of process `$1`, the programs that run in them, its cables and bridges. */
const cleanupScript = `
for name in $(ip netns list | sed -n "s/^\\(reprise-$1-[0-9]*\\).*/\\1/p"); do
  for pid in $(ip netns pids "$name"); do kill -9 "$pid"; done
  ip netns del "$name"
done
for link in $(ip -o link show | sed -n "s/^[0-9]*: \\(rp$1[bc][0-9]*\\)[@:].*/\\1/p"); do ip link del "$link"; done
true
`

/** Removes everything that this process made, once it has ended without doing so. */
export const guardNetwork = (): Guard =>
  startGuard(`while read -r line; do [ "$line" = done ] && exit 0; done\n${cleanupScript}`, [String(process.pid)])

/** Removes what processes made that run no longer. */
export async function removeStale(): Promise<void> {
  const found = `${await ip('netns', 'list')}\n${await ip('-o', 'link', 'show', 'type', 'bridge')}`
  const owners = new Set([...found.matchAll(madeBy)].map(([, namespace, bridge]) => Number(namespace ?? bridge)))
  for (const owner of owners) {
    if (isRunning(owner)) continue
    // Another process may be removing the same: what counts is that it is gone.
    await run('/bin/sh', ['-c', cleanupScript, 'reprise-cleanup', String(owner)], { timeout: cleanupWithinMs })
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
