// What a session does with the run as it finds it: nothing here remembers an earlier session. The same view and the same
// accepted results give the same commands, so that a session that was killed is simply run again.
import { documentsPerSession, listDocuments, readDocument, taskIdOf, writeIndex } from './tasks.mjs'

/** @typedef {import('@reprise/core').RunView} RunView */
/** @typedef {import('@reprise/core').RoundCommand} RoundCommand */

/** What stopped is given up, with its reason. @param {RunView} view @returns {import('@reprise/core').RecoverCommand[]} */
export const recover = ({ stopped }) =>
  stopped.map(({ taskId, reason }) => ({ type: 'abandon', taskId, reason: reason || 'no attempt is left' }))

/**
 * @param {RunView} view
 * @param {ReadonlyMap<string, unknown>} accepted outputs by task id, from the log
 * @param {readonly string[]} givenUp task ids that were abandoned
 * @param {string} root
 * @returns {{ commands: RoundCommand[], summary: string }}
 */
export function decideNext(view, accepted, givenUp, root) {
  /** @type {RoundCommand[]} */
  const commands = view.received.map(({ taskId }) => ({ type: 'accept', taskId }))
  const outputs = new Map(accepted)
  for (const { taskId, output } of view.received) outputs.set(taskId, output)
  const { length } = view.received
  const settled = `${length} result${length === 1 ? '' : 's'} accepted`

  // Without them the criteria cannot be met, and nobody should say that they are.
  if (givenUp.length > 0) {
    const reason = `could not be done: ${givenUp[0]}${givenUp.length > 1 ? ` and ${givenUp.length - 1} more` : ''}`
    return { commands: [...commands, { type: 'fail', reason }], summary: `${settled}; it cannot be done` }
  }

  const listing = outputs.get('list')
  if (listing === undefined) {
    const list = listDocuments.task('list', { root }, { owner: 'the librarian', returns: 'the path of every document' })
    return { commands: [...commands, { type: 'dispatch', tasks: [list] }], summary: 'nothing is known yet: list first' }
  }

  const { paths } = listDocuments.parseOutput(listing)
  const unread = paths.filter((path) => !outputs.has(taskIdOf(path))).slice(0, documentsPerSession)
  if (unread.length > 0) {
    const tasks = unread.map((path) =>
      readDocument.task(
        taskIdOf(path),
        { root, path },
        { owner: 'the readers', returns: 'its title, lines and links' },
      ),
    )
    commands.push({ type: 'dispatch', tasks })
    return { commands, summary: `${settled}; next: ${unread.length} of ${paths.length} documents` }
  }

  const documents = paths.map((path) => readDocument.parseOutput(outputs.get(taskIdOf(path))))
  const index = outputs.get('index')
  if (index === undefined) {
    const broken = documents.flatMap((each) => each.broken)
    const followed = documents.reduce((sum, { links }) => sum + links, 0)
    commands.push(
      met(1, `${paths.length} documents, each accepted once`, ['list']),
      met(2, `${followed} links followed, ${broken.length} lead nowhere${broken.length > 0 ? `: ${broken[0]} …` : ''}`),
      {
        type: 'dispatch',
        tasks: [writeIndex.task('index', { documents }, { owner: 'the writer', returns: 'index.md' })],
      },
    )
    return { commands, summary: `${settled}; everything is read, the index is next` }
  }

  const { sha256 } = writeIndex.parseOutput(index)
  commands.push(met(3, `index.md, sha256 ${sha256}`, ['index']), { type: 'complete', summary: 'the index is written' })
  return { commands, summary: `${settled}; every criterion has its evidence` }
}

/** @param {number} criterion @param {string} evidence @param {string[]} [tasks] @returns {RoundCommand} */
const met = (criterion, evidence, tasks = []) => ({ type: 'meet-criterion', criterion, evidence, tasks })
