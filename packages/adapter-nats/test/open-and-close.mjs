// Opens an adapter, leaves a watch and a receiver running, closes it, and has nothing else to do.
import { openNats } from '@reprise/adapter-nats'

const [servers = '', prefix = ''] = process.argv.slice(2)
const adapter = await openNats({ servers, prefix })
const never = new AbortController().signal
const run = /** @type {import('@reprise/core/adapter').RunId} */ ('run-1')
const watching = (async () => {
  for await (const _ of adapter.log.watch(run, 0, never));
})()
const receiving = adapter.inbox.receive(run, async () => {}, never)
await adapter.log.head(run)
await adapter.close()
await Promise.all([watching, receiving])
