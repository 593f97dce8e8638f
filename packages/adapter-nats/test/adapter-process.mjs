// A process with a NATS adapter in it, for the tests that kill it.
import { openNats } from '@reprise/adapter-nats'
import { serveAdapter } from '@reprise/conformance'

serveAdapter(openNats)
