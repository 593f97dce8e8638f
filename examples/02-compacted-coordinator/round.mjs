// One round of a coordinator that remembers nothing: `node round.mjs FOLDER BUDGET [think]`. It opens the run, is told by a
// briefing where that stands, decides from the briefing alone, and ends without a word. The next round is another process.
import { writeFileSync } from 'node:fs'
import { openFiles } from '@reprise/adapter-fs'
import { openRun } from '@reprise/core'
import { decide } from './decide.mjs'
import { check, count, goal, list, runId, successCriteria } from './tasks.mjs'
import { thinkingMark } from './work-folder.mjs'

const [dir = '.', budget = '4000', think] = process.argv.slice(2)
process.once('uncaughtException', (error) => {
  say(`it cannot go on: ${error.message}`)
  process.exit(1)
})
const adapter = await openFiles({ dir })
const opening = { goal, successCriteria, policy: { inFlightMax: 4 } }
const run = await openRun({ adapter, runId, ...opening, tasks: [list, count, check] })
// The one that thinks is shown all but the list that is held back, so that this is what it misses, however slow the others are.
await (think === undefined ? somethingToDecide() : until(({ counts }) => counts.out <= 1))

let tokenBudget = Number(budget)
let isSlow = think !== undefined
for (let decided = false; !decided; ) {
  const { briefing, text, token, tokens } = await run.briefing({ tokenBudget })
  say(`told in ${tokens} tokens, at version ${briefing.version}: ${briefing.nextAction}`)
  // As JSON: whoever decides may be anywhere, and holds nothing of this process.
  const decision = decide(JSON.parse(JSON.stringify(briefing)))
  if (decision === null) {
    tokenBudget *= 2
    say(`what it needs was cut off: it asks again, for ${tokenBudget} tokens`)
    continue
  }
  if (isSlow) {
    say(`what it was told:\n${text.trimEnd().replace(/^/gm, '    | ')}`)
    await thinkUntilWorkComesBack()
    isSlow = false
  }
  const outcome = await run.execute({ type: 'round', decide: decision.commands, summary: decision.summary }, { token })
  if (outcome.ok) say(`${decision.summary}; the run is ${outcome.status.status} at version ${outcome.status.version}`)
  else {
    say(`refused with ${outcome.code}: ${outcome.message}`)
    const changes = outcome.changes?.newest ?? []
    for (const change of changes) say(`  since then, version ${change.version}: ${change.text}`)
    // Only what has become stale is worth another try; anything else is a mistake of ours.
    if (outcome.code !== 'STALE_CONTEXT') process.exit(1)
    say('it reads what has changed, and decides again')
  }
  decided = outcome.ok
}
// Neither the run nor the adapter is closed: a context that is gone says no goodbye. The log knows everything.
process.exit(0)

/** Waits until something has come back or stopped, or nothing is out. */
function somethingToDecide() {
  return until(({ counts: { received, stopped, out, planned }, mode }) => {
    return received + stopped > 0 || out + planned === 0 || mode === 'closed'
  })
}

/** Takes so long that the world goes on meanwhile: here, until the list that was held back is in the log. */
async function thinkUntilWorkComesBack() {
  writeFileSync(thinkingMark(dir), '')
  await until(({ counts }) => counts.out === 0)
}

/** @param {(status: import('@reprise/core').RunStatus) => boolean} holds */
async function until(holds) {
  const { promise, resolve } = withResolve()
  const look = () => {
    if (holds(run.status)) resolve()
  }
  run.on('commit', look)
  look()
  await promise
  run.off('commit', look)
}

function withResolve() {
  let resolve = () => {}
  /** @type {Promise<void>} */
  const promise = new Promise((done) => {
    resolve = done
  })
  return { promise, resolve }
}

/** @param {string} text */
function say(text) {
  console.log(`  ${text}`)
}
