// The coordinator: `node coordinator.mjs FOLDER`. Each pattern once. Killed at any point it is started again by the same
// command: what is done comes from the log, what is not goes on. Nothing below asks whether this is the first start.
import { openFiles } from '@reprise/adapter-fs'
import { acceptedReceipts, allOf, firstOf, mapOver, openRun, pipeline } from '@reprise/core'
import { dieAt } from './die-at.mjs'
import { listSources } from './list-sources.mjs'
import { countLines, countWords, rankWords, runId, searchHash, testPrime } from './tasks.mjs'

const [dir = '.'] = process.argv.slice(2)
const adapter = await openFiles({ dir })
const tasks = [countLines, searchHash, countWords, rankWords, testPrime]
const run = await openRun({ adapter, runId, goal: 'show each worker pattern', tasks, waitForMs: 15_000 })
dieAt(run, process.env.DIE_AT)
const files = listSources()

// All of them, fanned out and in. One needs the others: `after` is for dependencies that are known beforehand.
const counts = files.map(({ name, path }) => countLines.task(`lines of ${name}`, { paths: [path] }))
const after = counts.map(({ taskId }) => taskId)
const again = countLines.task('lines of all', { paths: files.map(({ path }) => path) }, { after })
const counted = await allOf(run, [...counts, again])
const [total = 0, ...each] = [again, ...counts].map(
  ({ taskId }) => countLines.parseOutput(counted.get(taskId)?.receipt?.output).lines,
)
const sum = each.reduce((all, lines) => all + lines, 0)
console.log(`  allOf     ${files.length} files have ${total} lines; ${sum} if each is counted by itself`)

// The first of several that look in different places. The others are cancelled, and their workers told.
const searches = [1, 2, 3, 4].map((n) => searchHash.task(`search ${n}`, { from: n * 1_000_000_000, zeros: 4 }))
const { winner, others } = await firstOf(run, searches)
if (winner === null) throw new Error('every search was given up')
const { found, sha256 } = searchHash.parseOutput(winner.receipt?.output)
console.log(
  `  firstOf   ${winner.taskId} was first with ${found} (${sha256.slice(0, 12)}…); ${others.size} others cancelled`,
)

// Stage after stage, where the next task is made from what came out of the one before.
const words = await pipeline(
  run,
  files,
  [
    { name: 'count', task: ({ taskId, item }) => countWords.task(taskId, { path: item.path }) },
    { name: 'rank', task: ({ taskId, output }) => rankWords.task(taskId, countWords.parseOutput(output)) },
  ],
  { name: 'words', key: ({ name }) => name },
)
const ranked = [...words].map(([name, { receipt }]) => ({ name, ...rankWords.parseOutput(receipt?.output) }))
const [top = { name: '', word: '', times: 0 }] = ranked.sort((a, b) => b.times - a.times)
console.log(
  `  pipeline  of ${words.size} files, the one that says a word most often is ${top.name}: "${top.word}", ${top.times} times`,
)

// A source of any length, of which a bounded number is out at once.
const mapped = await mapOver(run, numbers(2, 400), (n) => testPrime.task(`prime ${n}`, { n }), { inFlight: 16 })
// What came out is in the log, that of earlier lives too: what this life has seen may be a part of it.
let primes = 0
for await (const { taskId, output } of acceptedReceipts(adapter.log, runId)) {
  if (taskId.startsWith('prime ') && testPrime.parseOutput(output).isPrime) primes++
}
console.log(
  `  mapOver   ${mapped.accepted + mapped.skipped} numbers, ${primes} primes; ${mapped.skipped} were settled before this start`,
)

await run.complete('each pattern has come to its end')
await run.close()
await adapter.close()

/** As if they came from far away. @param {number} from @param {number} to */
async function* numbers(from, to) {
  for (let n = from; n < to; n++) yield n
}
