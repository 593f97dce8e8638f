// What is to be done, written down once: a coordinator that comes later must not see another list of files.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * @typedef {object} Order
 * @property {string} goal
 * @property {string[]} successCriteria
 * @property {import('@reprise/core').PolicyInput} policy
 * @property {import('./list-files.mjs').ListedFile[]} files
 */

/** @param {string} dir @param {string} root @param {import('./list-files.mjs').ListedFile[]} files */
export async function writeOrder(dir, root, files) {
  /** @type {Order} */
  const order = {
    goal: `Read every file under ${JSON.stringify(root)}: bytes, lines, longest line, sha256, and a summary per file type.`.slice(
      0,
      8000,
    ),
    successCriteria: ['Every file is accepted exactly once, or abandoned with the reason.'],
    // Few enough out at once that even a small folder takes several rounds, and a kill hits the middle of it.
    policy: { inFlightMax: Math.min(Math.max(Math.ceil(files.length / 16), 4), 256), retryBackoffMs: 100 },
    files,
  }
  await writeFile(join(dir, 'order.json'), JSON.stringify(order))
}

/** @param {string} dir @returns {Promise<Order>} */
export async function readOrder(dir) {
  return JSON.parse(await readFile(join(dir, 'order.json'), 'utf8'))
}
