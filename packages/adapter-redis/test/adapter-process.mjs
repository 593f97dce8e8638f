// A process with a Redis adapter in it, for the tests that kill it.
import { openRedis } from '@reprise/adapter-redis'
import { serveAdapter } from '@reprise/conformance'

serveAdapter(openRedis)
