// A long task in several sessions, each a process of its own. Two are killed with SIGKILL, one claims to be done too early,
// and somebody edits the state file by hand in between. This program is the origin: it states the task, looks at the state
// file between the sessions, and checks the end by itself. Read on in session.mjs and decide-next.mjs.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { findProblems } from './check.mjs'
import { listMarkdown } from './documents.mjs'
import { endAll, startProcess } from './processes.mjs'

const sessionsMax = 200
const { root } = readOptions()
const dir = mkdtempSync(join(realpathSync(tmpdir()), 'reprise-long-task-'))
const stateFile = join(dir, 'docs', 'long-task-state.md')
mkdirSync(dirname(stateFile))
process.on('SIGINT', () => leave(130)).on('SIGTERM', () => leave(143))

/** What happens to a session, by its number. @type {Record<number, string[]>} */
const fates = { 2: ['killed-before'], 3: ['hasty'], 4: ['killed-after'] }
const editAfter = 3

console.log(`${listMarkdown(root).length} documents under ${root}; the run lives in ${dir}`)
const worker = startProcess('worker.mjs', [dir], () => {})
let hasEnded = false
for (let number = 1; !hasEnded; number++) {
  if (number > sessionsMax) throw new Error(`the run has not ended after ${sessionsMax} sessions`)
  hasEnded = await runSession(number)
  showStateFile(number)
  if (number === editAfter) editStateFile()
}
await worker.stop()

const problems = await findProblems(dir, root, stateFile)
for (const problem of problems) console.log(`problem: ${problem}`)
console.log(
  problems.length === 0 ? '\nThe log, the state file and this program agree.' : '\nSomething is wrong: see above.',
)
console.log(`State file: ${stateFile}`)
process.exitCode = problems.length === 0 ? 0 : 1

/** @param {number} number */
async function runSession(number) {
  console.log(`\n━━━ session ${number} ━━━`)
  let isLast = false
  const session = startProcess('session.mjs', [dir, root, ...(fates[number] ?? [])], (line) => {
    console.log(`  ${line}`)
    if (/^(checked|the run has failed): /.test(line)) isLast = true
    if (line.startsWith('is ')) session.kill()
  })
  const { code, signal } = await session.ended
  if (signal === 'SIGKILL') console.log('  … killed with SIGKILL')
  else if (code !== 0) throw new Error(`session ${number} ended with ${signal ?? code}: see above`)
  return isLast
}

/** @param {number} number */
function showStateFile(number) {
  console.log(`\n  ${stateFile} after session ${number}:`)
  for (const line of readFileSync(stateFile, 'utf8').trimEnd().split('\n')) console.log(`  │ ${line}`)
}

/** Somebody knows better and ticks everything off. */
function editStateFile() {
  writeFileSync(stateFile, readFileSync(stateFile, 'utf8').replaceAll('- [ ]', '- [x]'))
  console.log('\n  … somebody ticks off every criterion in the file, by hand')
}

function readOptions() {
  /** @param {string} problem @returns {never} */
  const refuse = (problem) => {
    console.error(`${problem}.\nmain.mjs takes --dir FOLDER: whose Markdown files are read (default: this repository).`)
    process.exit(2)
  }
  try {
    const { values } = parseArgs({ options: { dir: { type: 'string', default: join(import.meta.dirname, '../..') } } })
    const root = resolve(values.dir)
    if (!statSync(root, { throwIfNoEntry: false })?.isDirectory()) return refuse(`${JSON.stringify(root)} is no folder`)
    if (listMarkdown(root).length === 0) return refuse(`there is no Markdown file under ${JSON.stringify(root)}`)
    return { root }
  } catch (error) {
    return refuse(/** @type {Error} */ (error).message)
  }
}

/** @param {number} code */
function leave(code) {
  endAll()
  console.error(
    `\nStopped. The run is in ${dir} (${readdirSync(dir).join(', ')}). These two go on with it, the first until Ctrl-C:`,
  )
  console.error(`  node ${join(import.meta.dirname, 'worker.mjs')} ${dir}`)
  console.error(`  node ${join(import.meta.dirname, 'session.mjs')} ${dir} ${root}`)
  process.exit(code)
}
