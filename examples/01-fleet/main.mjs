// `npm start`: a fleet of real processes reads real files while somebody pulls the plug, and then this program checks
// on its own whether everything was read, once and rightly. Read on in coordinator.mjs and worker.mjs.
import { openFiles } from '@reprise/adapter-fs'
import { verifyRun } from '@reprise/core'
import { auditLog, onceProblems } from './audit-log.mjs'
import { compareFiles, compareSummaries } from './compare.mjs'
import { runFleet } from './fleet.mjs'
import { isEncoded, listFiles } from './list-files.mjs'
import { readOptions, refuse } from './options.mjs'
import { writeOrder } from './order.mjs'
import { Progress } from './progress.mjs'
import { allAgrees, printNextSteps, printReport, whole } from './report.mjs'
import { rereadFiles } from './reread.mjs'
import { runId } from './tasks.mjs'
import { logPath, makeWorkFolder, removeOldFolders } from './work-folder.mjs'

const options = readOptions(process.argv.slice(2))
const progress = new Progress(process.stdout, process.env)
const interrupt = new AbortController()
process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
// Nobody reads us any more: `npm start | head`. On the way out the processes are killed.
process.stdout.on('error', () => process.exit(1))

removeOldFolders()
const { files, notes } = await listFiles(options.root, options.leaveOut)
if (files.length === 0) refuse(`there is no regular file under ${JSON.stringify(options.root)}`)

const dir = makeWorkFolder(options.keep)
const kept = `${dir}${options.keep ? '' : ' (until the next start; --keep keeps it)'}`
const adapter = await openFiles({ dir })
try {
  process.exitCode = await main()
} catch (error) {
  progress.clear()
  process.exitCode = interrupt.signal.aborted ? explainStop() : explainFailure(error)
} finally {
  await adapter.close()
}

async function main() {
  const encoded = files.filter(isEncoded)
  progress.say(`${whole(files.length)} files under ${options.root}: 1 coordinator, ${options.workers} workers`)
  for (const note of notes) progress.say(`left out: ${note}`)
  if (encoded[0])
    progress.say(`${whole(encoded.length)} paths are no legal task ids, and go as ${encoded[0].taskId} and the like`)
  await writeOrder(dir, options.root, files)

  const kills = await runFleet({ dir, adapter, files: files.length, options, progress, signal: interrupt.signal })

  const verdict = await verifyRun(adapter.log, runId)
  const audit = await auditLog(adapter.log, verdict.ok ? verdict.commits : verdict.firstBadCommit)
  const onProgress = (/** @type {number} */ done) =>
    progress.show('files read again, by this program', done, files.length)
  const found = await rereadFiles(files, onProgress, interrupt.signal)
  const summaries = await compareSummaries(audit, files, found, adapter.artifacts)

  const findings = {
    ...{ files: files.length, types: summaries.count, audit, verdict, kills },
    onceProblems: onceProblems(audit, files),
    differences: [...compareFiles(audit, found), ...summaries.differences],
  }
  printReport(findings, progress)
  progress.say(`\nThe log: ${logPath(dir)}${kept.slice(dir.length)}`)
  printNextSteps(logPath(dir), progress)
  return allAgrees(findings) ? 0 : 1
}

/** @param {NodeJS.Signals} signal */
function onSignal(signal) {
  // The second one is meant: the processes are killed on the way out.
  if (interrupt.signal.aborted) process.exit(130)
  interrupt.abort(signal)
}

function explainStop() {
  console.error(
    `Stopped by ${interrupt.signal.reason}. Every process that was started has ended. The run is in ${kept}.`,
  )
  console.error('These two commands, side by side, take it up where it is; the second one goes on until Ctrl-C:')
  for (const role of ['coordinator', 'worker']) console.error(`  node ${import.meta.dirname}/${role}.mjs ${dir}`)
  return interrupt.signal.reason === 'SIGINT' ? 130 : 143
}

/** @param {unknown} error */
function explainFailure(error) {
  console.error(`The fleet did not get to its end: ${error instanceof Error ? error.message : error}`)
  console.error(`Every process that was started has ended. What there is, is in ${kept}.`)
  return 1
}
