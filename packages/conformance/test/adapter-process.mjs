// A process with a memory adapter in it. Its backend is its own: what is tested is the line to it.
import { serveAdapter } from '@reprise/conformance'
import { memoryAdapter } from '@reprise/core/testing'

serveAdapter(async () => memoryAdapter())
