// Prints the briefing of a run whose log is a file of lines: `node brief-log.mjs FILE RUN_ID`.
import { readFileSync } from 'node:fs'
import { briefRun } from '@reprise/core'

const [file = '', runId = ''] = process.argv.slice(2)
const lines = readFileSync(file, 'utf8').split('\n')
/** @type {unknown} */
const reading = {
  async *read() {
    yield lines
  },
}
const log = /** @type {import('@reprise/core/adapter').CommitLog} */ (reading)
process.stdout.write(JSON.stringify(await briefRun(log, /** @type {import('@reprise/core').RunId} */ (runId))))
