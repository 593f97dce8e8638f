// The second stage, computed from the log: whoever reads the same log gets the same tasks with the same inputs.
import { createHash } from 'node:crypto'
import { extname } from 'node:path'
import { readCommits } from '@reprise/core'
import { measureFile, runId, typePrefix } from './tasks.mjs'

/** @typedef {import('./tasks.mjs').Figures} Figures */
/** @typedef {import('./tasks.mjs').Summary} Summary */

/**
 * One summary per file type, of the files that were accepted.
 * @param {import('@reprise/core').Adapter['log']} log
 * @param {import('./list-files.mjs').ListedFile[]} files
 */
export async function summariseTypes(log, files) {
  return summarise(files, await acceptedFigures(log))
}

/** @param {import('@reprise/core').Adapter['log']} log */
async function acceptedFigures(log) {
  /** @type {Map<string, unknown>} */
  const received = new Map()
  /** @type {Map<string, Figures>} */
  const accepted = new Map()
  for await (const { events } of readCommits(log, runId)) {
    for (const { type, data } of events) {
      if (type === 'receipt-received') received.set(data.receipt.taskId, data.receipt.output)
      else if (type === 'task-accepted' && !data.taskId.startsWith(typePrefix)) {
        accepted.set(data.taskId, measureFile.parseOutput(received.get(data.taskId)))
        received.delete(data.taskId)
      }
    }
  }
  return accepted
}

/**
 * @param {import('./list-files.mjs').ListedFile[]} files
 * @param {ReadonlyMap<string, Figures>} figures by task id; files without any are left out
 * @returns {{ taskId: string, summary: Summary }[]}
 */
export function summarise(files, figures) {
  /** @type {Map<string, { taskId: string, figures: Figures }[]>} */
  const byType = new Map()
  for (const { taskId, type } of files) {
    const known = figures.get(taskId)
    if (known === undefined) continue
    const group = byType.get(type) ?? []
    byType.set(type, group)
    group.push({ taskId, figures: known })
  }
  return [...byType].map(([type, group]) => {
    /** @param {'bytes' | 'lines'} key */
    const sum = (key) => group.reduce((total, { figures }) => total + figures[key], 0)
    const longestLine = group.reduce((longest, { figures }) => Math.max(longest, figures.longestLine), 0)
    const totals = { files: group.length, bytes: sum('bytes'), lines: sum('lines'), longestLine }
    return { taskId: typePrefix + type, summary: { type, ...totals, digest: digestOf(group) } }
  })
}

/** sha256 over one line per file, in the order of their ids. @param {{ taskId: string, figures: Figures }[]} group */
function digestOf(group) {
  const lines = group.map(({ taskId, figures: { bytes, lines, longestLine, sha256 } }) =>
    JSON.stringify([taskId, bytes, lines, longestLine, sha256]),
  )
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex')
}

/** The type of a file: its last extension in small letters. @param {string} name */
export const typeOf = (name) => extname(name).slice(1).toLowerCase() || '(none)'
