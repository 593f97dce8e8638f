// What this program finds out by itself, from the log, the state file and the documents: no session is asked.
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { openFiles } from '@reprise/adapter-fs'
import { loadRun, readCommits, readStateFile, verifyRun } from '@reprise/core'
import { listMarkdown, readMarkdown } from './documents.mjs'
import { readDocument, runId, taskIdOf } from './tasks.mjs'

/** @param {string} dir @param {string} root @param {string} stateFile @returns {Promise<string[]>} one sentence per problem */
export async function findProblems(dir, root, stateFile) {
  const adapter = await openFiles({ dir: join(dir, 'reprise') })
  try {
    const verdict = await verifyRun(adapter.log, runId)
    if (!verdict.ok) return [`the log does not verify: ${verdict.message}`]
    const { state, head } = await loadRun(adapter.log, runId)
    if (state.status !== 'complete') return [`the run is ${state.status}: ${state.closing ?? 'it has not ended'}`]
    return [
      ...(state.checklist?.every(({ pass }) => pass) ? [] : ['the checklist is not all passed']),
      ...stateFileProblems(stateFile, { version: state.version, head }),
      ...(await documentProblems(adapter.log, root)),
    ]
  } finally {
    await adapter.close()
  }
}

/** @param {string} path @param {{ version: number, head: string }} log */
function stateFileProblems(path, { version, head }) {
  const said = readStateFile(readFileSync(path, 'utf8'))
  const isEqual = said?.intact && said.runId === runId && said.version === version && said.commit === head
  const kept = readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.kept-`))
  const text = kept.map((name) => readFileSync(join(dirname(path), name), 'utf8')).join('')
  return [
    ...(isEqual ? [] : ['the state file is not that of the log']),
    ...(kept.length === 1 && !text.includes('- [ ]') ? [] : ['the edit by hand was not kept aside']),
  ]
}

/** @param {import('@reprise/core').Adapter['log']} log @param {string} root */
async function documentProblems(log, root) {
  /** @type {Map<string, unknown>} */
  const outputs = new Map()
  /** @type {string[]} */
  const accepted = []
  for await (const { events } of readCommits(log, runId)) {
    for (const { type, data } of events) {
      if (type === 'receipt-received') outputs.set(data.receipt.taskId, data.receipt.output)
      else if (type === 'task-accepted') accepted.push(data.taskId)
    }
  }
  return listMarkdown(root).flatMap((path) => {
    const taskId = taskIdOf(path)
    const times = accepted.filter((each) => each === taskId).length
    if (times !== 1) return [`${path} was accepted ${times} times`]
    const said = readDocument.parseOutput(outputs.get(taskId))
    const found = readMarkdown(root, path)
    return said.lines === found.lines && said.links === found.links ? [] : [`${path} is not what the run says`]
  })
}
