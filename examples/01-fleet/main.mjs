// `npm start`: a fleet of real processes reads real files while somebody pulls the plug, and then this program checks
// on its own whether everything was read, once and rightly. Read on in coordinator.mjs and worker.mjs.
import { verifyRun } from '@reprise/core'
import { auditLog, onceProblems } from './audit-log.mjs'
import { compareFiles, compareSummaries } from './compare.mjs'
import { runFleet } from './fleet.mjs'
import { isEncoded, listFiles } from './list-files.mjs'
import { openAdapter, prefixOf } from './open-adapter.mjs'
import { readOptions, refuse } from './options.mjs'
import { writeOrder } from './order.mjs'
import { Progress } from './progress.mjs'
import { allAgrees, printNextSteps, printReport, whole } from './report.mjs'
import { rereadFiles } from './reread.mjs'
import { printable, serverFor } from './server.mjs'
import { runId } from './tasks.mjs'
import { copyLog, logPath, makeWorkFolder, removeOldFolders } from './work-folder.mjs'

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
let hasBegun = false
/** @type {import('./server.mjs').RunServer} */
let server = { url: options.server, isPrivate: false, stop: async () => {} }
try {
  server = await serverFor(options)
  const adapter = await openAdapter(dir, server.url)
  process.exitCode = await main(adapter).finally(() => adapter.close())
} catch (error) {
  progress.clear()
  process.exitCode = interrupt.signal.aborted ? explainStop() : explainFailure(error)
} finally {
  await server.stop()
}

/** @param {import('@reprise/core').Adapter & Required<Pick<import('@reprise/core').Adapter, 'artifacts'>>} adapter */
async function main(adapter) {
  hasBegun = true
  const encoded = files.filter(isEncoded)
  progress.say(`${whole(files.length)} files under ${options.root}: 1 coordinator, ${options.workers} workers`)
  for (const note of notes) progress.say(`left out: ${note}`)
  if (encoded[0])
    progress.say(`${whole(encoded.length)} paths are no legal task ids, and go as ${encoded[0].taskId} and the like`)
  if (server.url !== undefined) {
    const stays = `, where its data stays, under names that begin with ${prefixOf(dir)}`
    progress.say(`the run lives in ${printable(server.url)}${server.isPrivate ? ', started for it' : stays}`)
  }
  await writeOrder(dir, options.root, files)

  const kills = await runFleet({
    dir,
    server: server.url,
    adapter,
    files: files.length,
    options,
    progress,
    signal: interrupt.signal,
  })

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
  const log = server.url === undefined ? logPath(dir) : await copyLog(adapter.log, dir)
  progress.say(`\nThe log: ${log}${kept.slice(dir.length)}${server.url === undefined ? '' : ', copied byte for byte'}`)
  printNextSteps(log, options.adapter, progress)
  return allAgrees(findings) ? 0 : 1
}

/** @param {NodeJS.Signals} signal */
function onSignal(signal) {
  // The second one is meant: the processes are killed on the way out. Before the run there is nothing to end in order.
  if (interrupt.signal.aborted || !hasBegun) process.exit(signal === 'SIGINT' ? 130 : 143)
  interrupt.abort(signal)
}

function explainStop() {
  const stopped = `Stopped by ${interrupt.signal.reason}. Every process that was started has ended.`
  if (server.isPrivate) console.error(`${stopped} So has the server with the run in it; --server URL keeps one.`)
  else {
    const place = server.url === undefined ? kept : `${printable(server.url)}, its order in ${kept}`
    console.error(`${stopped} The run is in ${place}.`)
    console.error('These two commands, side by side, take it up where it is; the second one goes on until Ctrl-C:')
    const named = server.url === undefined ? '' : 'REPRISE_SERVER=… '
    for (const role of ['coordinator', 'worker'])
      console.error(`  ${named}node ${import.meta.dirname}/${role}.mjs ${dir}`)
  }
  return interrupt.signal.reason === 'SIGINT' ? 130 : 143
}

/** @param {unknown} error */
function explainFailure(error) {
  console.error(`The fleet did not get to its end: ${error instanceof Error ? error.message : error}`)
  if (!hasBegun) {
    if (options.server !== undefined) console.error('No process was started. Is that server running, and open to us?')
    else if (options.adapter !== 'files') console.error('A running server can be named by --server URL.')
    return 1
  }
  const what = server.url === undefined ? 'What there is' : 'What its processes said'
  console.error(`Every process that was started has ended. ${what} is in ${kept}.`)
  return 1
}
