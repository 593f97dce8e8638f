// Stands where a language model would: it is told what a briefing says, and nothing else, and answers with commands. It
// keeps nothing between two calls. What it will need later it writes down, as a note: notes come back in briefings.
import { check, count, folders, list } from './tasks.mjs'

/** @typedef {import('@reprise/core').Briefing} Briefing */
/** @typedef {import('@reprise/core').RoundCommand} RoundCommand */

const remembered = 'longest so far: '

/**
 * `null`: something that it needs was cut off to keep to the budget.
 * @param {Briefing} briefing
 * @returns {{ commands: RoundCommand[], summary: string } | null}
 */
export function decide(briefing) {
  if (briefing.budgets?.tasks.used === 0) {
    const tasks = folders.map((folder) => list.task(`list:${folder}`, { folder }))
    return { commands: [{ type: 'dispatch', tasks }], summary: `asked for lists of ${tasks.length} folders` }
  }
  /** @type {RoundCommand[]} */
  const commands = []
  const asked = []
  let longest = recall(briefing)
  if (longest === null) return null
  const known = longest.path
  for (const { taskId, kind, output } of briefing.received.items) {
    if (output.json.length < output.length) return null
    commands.push({ type: 'accept', taskId })
    const result = JSON.parse(output.json)
    if (kind === list.kind) {
      const { documents } = list.parseOutput(result)
      asked.push(...documents.map((path) => count.task(`count:${path}`, { path })))
    } else if (kind === count.kind) {
      const { words } = count.parseOutput(result)
      if (words > longest.words) longest = { path: taskId.slice('count:'.length), words }
    } else {
      commands.push(...conclude(longest, check.parseOutput(result).words, taskId))
    }
  }
  for (const { taskId, reason } of briefing.stopped.items) commands.push({ type: 'abandon', taskId, reason })
  if (longest.path !== known) commands.push({ type: 'note', text: `${remembered}${JSON.stringify(longest)}` })
  if (asked.length > 0) commands.push({ type: 'dispatch', tasks: asked })
  else if (isLastOf(briefing)) commands.push(...checkLongest(longest))
  else if (commands.length === 0) commands.push({ type: 'fail', reason: 'the longest document could not be checked' })
  const accepted = commands.filter(({ type }) => type === 'accept').length
  return { commands, summary: `accepted ${accepted}, asked for ${asked.length} counts` }
}

/** What an earlier round has noted; `null` if that may be among what was left out. @param {Briefing} briefing */
function recall({ notes }) {
  const note = notes.items.findLast(({ text }) => text.includes(remembered))?.text
  const isWhole = note === undefined ? notes.items.length === notes.total : note.endsWith('}')
  if (!isWhole) return null
  /** @type {{ path: string, words: number }} */
  const longest = note === undefined ? { path: '', words: -1 } : JSON.parse(note.slice(note.indexOf('{')))
  return longest
}

/** Nothing is left but what came back now, and the first criterion is open. @param {Briefing} briefing */
const isLastOf = ({ out, planned, criteria }) => out.total + planned.total === 0 && criteria[0]?.evidence === null

/** @param {{ path: string, words: number }} longest @returns {RoundCommand[]} */
function checkLongest({ path, words }) {
  if (path === '') return [{ type: 'fail', reason: 'no document could be counted' }]
  const evidence = `all counted; the longest is ${path} with ${words} words`
  return [
    { type: 'meet-criterion', criterion: 1, evidence },
    { type: 'dispatch', tasks: [check.task(`check:${path}`, { path })] },
  ]
}

/** @param {{ path: string, words: number }} longest @param {number} words @param {string} taskId @returns {RoundCommand[]} */
function conclude(longest, words, taskId) {
  if (words !== longest.words)
    return [{ type: 'fail', reason: `${longest.path} has ${words} words, not ${longest.words}` }]
  const evidence = `counted again: ${words} words`
  return [
    { type: 'meet-criterion', criterion: 2, evidence, tasks: [taskId] },
    { type: 'complete', summary: `the longest document is ${longest.path} with ${words} words` },
  ]
}
