// Asks for the leases `run/0`, `run/1`, … each at its own moment, at which others ask as well, and prints those it
// was given: the number, the reason it was taken from somebody, and whether it still is its own at the end. Begins at the
// moment that it is told on its standard input.
import { once } from 'node:events'
import { openFiles } from '@reprise/adapter-fs'

const [dir = '', label = '', count, everyMs] = process.argv.slice(2)
const { leases } = await openFiles({ dir })
const holder = { id: label, host: 'here', pid: process.pid }
const given = []
console.log('ready')
const [told] = await once(process.stdin, 'data')
const startAt = Number(String(told))
for (let i = 0; i < Number(count); i++) {
  while (Date.now() < startAt + i * Number(everyMs)) await new Promise((resolve) => setImmediate(resolve))
  const answer = await leases.acquire(`run/${i}`, holder, 3_600_000)
  if (answer.held) given.push({ i, lease: answer })
}
for (const { i, lease } of given) {
  console.log(`${i} ${lease.takenFrom?.reason ?? 'free'} ${(await leases.renew(lease)) ? 'kept' : 'lost'}`)
}
console.log('done')
// Lives until nobody asks any more: what the dead have left is for others to take.
await once(process.stdin.resume(), 'end')
// As a process that crashes: it gives nothing back.
process.kill(process.pid, 'SIGKILL')
