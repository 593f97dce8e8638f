// What the fleet reported against what this program found.
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { summarise } from './summarise-types.mjs'
import { measureFile, summariseType } from './tasks.mjs'

/** @typedef {import('./audit-log.mjs').Audit} Audit */
/** @typedef {import('./tasks.mjs').Figures} Figures */

/**
 * What the log says and what was found, where the two differ. A file that the fleet could not read must not be
 * readable now either.
 * @param {Audit} audit
 * @param {ReadonlyMap<string, Figures | string>} found
 */
export function compareFiles({ tasks }, found) {
  /** @type {string[]} */
  const differences = []
  for (const [taskId, figures] of found) {
    const record = tasks.get(taskId)
    if (record?.acceptances) {
      const { deliveries: _, ...accepted } = measureFile.parseOutput(record.receipt?.output)
      if (typeof figures === 'string')
        differences.push(`${taskId} was read by the fleet; now it cannot be read (${figures})`)
      else if (!isDeepStrictEqual(accepted, figures))
        differences.push(`${taskId} is not what the fleet read: ${describe(accepted)}, now ${describe(figures)}`)
    } else if (typeof figures !== 'string') {
      differences.push(
        `${taskId} can be read, but was not accepted (${record?.abandoned ?? 'nothing about it in the log'})`,
      )
    }
  }
  return differences
}

/**
 * Computes every summary again, from the figures found here, and reads the artifacts.
 * @param {Audit} audit
 * @param {import('./list-files.mjs').ListedFile[]} files
 * @param {ReadonlyMap<string, Figures | string>} found
 * @param {NonNullable<import('@reprise/core').Adapter['artifacts']>} artifacts
 */
export async function compareSummaries({ tasks }, files, found, artifacts) {
  /** @type {string[]} */
  const differences = []
  const readable = new Map(
    [...found].flatMap(([taskId, figures]) => (typeof figures === 'string' ? [] : [[taskId, figures]])),
  )
  const summaries = summarise(files, readable)
  for (const { taskId, summary } of summaries) {
    const receipt = tasks.get(taskId)?.receipt
    const [artifact] = receipt?.artifacts ?? []
    if (!receipt || !artifact) {
      differences.push(`${taskId} has no artifact`)
      continue
    }
    const chunks = []
    for await (const chunk of artifacts.read(artifact)) chunks.push(chunk)
    const bytes = Buffer.concat(chunks)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const isNamed = sha256 === summariseType.parseOutput(receipt.output).artifact && bytes.length === artifact.bytes
    if (!isNamed || !isDeepStrictEqual(JSON.parse(bytes.toString()), summary))
      differences.push(`the artifact of ${taskId} is not what follows from the files`)
  }
  return { differences, count: summaries.length }
}

/** @param {Figures} figures */
const describe = ({ bytes, lines, longestLine, sha256 }) =>
  `${bytes} bytes, ${lines} lines, longest ${longestLine}, sha256 ${sha256.slice(0, 12)}…`
