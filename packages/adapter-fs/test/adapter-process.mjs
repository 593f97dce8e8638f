// A process with a files adapter in it, for the tests that kill it.
import { openFiles } from '@reprise/adapter-fs'
import { serveAdapter } from '@reprise/conformance'

serveAdapter(openFiles)
