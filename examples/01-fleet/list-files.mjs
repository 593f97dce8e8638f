// Every regular file below a folder, with an id for its task. Links are not followed, pipes and devices left out.
import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { basename, extname, sep } from 'node:path'
import { taskIdSchema } from '@reprise/core'
import { typeOf } from './summarise-types.mjs'
import { typePrefix } from './tasks.mjs'

/**
 * @typedef {object} ListedFile
 * @property {string} taskId the path below the root, or `encoded:…` if that is no legal task id
 * @property {string} type
 * @property {string} path absolute
 * @property {'utf8' | 'base64'} encoding of `path`
 */

const encodedPrefix = 'encoded:'
const separator = Buffer.from(sep)

/**
 * Names are read as bytes: a file system takes what is not UTF-8.
 * @param {string} root absolute
 * @param {readonly string[]} leaveOut folders, absolute
 */
export async function listFiles(root, leaveOut) {
  /** @type {{ files: ListedFile[], notes: string[] }} `notes`: what is not in the list, and why */
  const listing = { files: [], notes: [] }
  if (leaveOut.length > 0)
    listing.notes.push(`${leaveOut.map((path) => basename(path)).join(', ')} (tools write there)`)
  const rootBytes = Buffer.from(root)
  const folders = [rootBytes]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    if (leaveOut.includes(folder.toString())) continue
    const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' }).catch(codeOf)
    if (typeof entries === 'string') {
      const name = folder === rootBytes ? root : taskIdOf(below(rootBytes, folder))
      listing.notes.push(`${name} (it cannot be listed: ${entries})`)
      continue
    }
    for (const entry of entries) {
      const path = Buffer.concat([folder, endsInSeparator(folder) ? Buffer.alloc(0) : separator, entry.name])
      if (entry.isDirectory()) folders.push(path)
      else if (entry.isFile()) listing.files.push(describe(rootBytes, path))
    }
  }
  listing.files.sort((a, b) => (a.taskId < b.taskId ? -1 : 1))
  return listing
}

/** @param {NodeJS.ErrnoException} error */
const codeOf = (error) => error.code ?? error.message

/** @param {Buffer} root @param {Buffer} path @returns {ListedFile} */
function describe(root, path) {
  const taskId = taskIdOf(below(root, path))
  const text = path.toString()
  const encoding = Buffer.from(text).equals(path) ? 'utf8' : 'base64'
  return { taskId, type: typeOf(taskId), path: path.toString(encoding), encoding }
}

/** Whether the path of a file could not be its task id as it is. @param {ListedFile} file */
export const isEncoded = ({ taskId }) => taskId.startsWith(encodedPrefix)

/**
 * The path itself if it is a legal task id and cannot be taken for another kind of id; else its bytes with every odd
 * one as %XX; if that is too long, a hash.
 * @param {Buffer} path
 */
export function taskIdOf(path) {
  const text = path.toString()
  const isPlain = !text.startsWith(encodedPrefix) && !text.startsWith(typePrefix)
  if (isPlain && taskIdSchema.safeParse(text).success && Buffer.from(text).equals(path)) return text
  const odd = /[^A-Za-z0-9._/@+-]/g
  const escaped = path.toString('latin1').replace(odd, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`)
  const id = encodedPrefix + escaped
  if (id.length <= 512) return id
  // `=` is odd, so no escaped path looks like this.
  return `${encodedPrefix}sha256=${createHash('sha256').update(path).digest('hex')}${extname(escaped).slice(0, 64)}`
}

/** @param {Buffer} root @param {Buffer} path */
const below = (root, path) => path.subarray(root.length + (endsInSeparator(root) ? 0 : 1))

/** @param {Buffer} path */
const endsInSeparator = (path) => path.at(-1) === separator[0]
