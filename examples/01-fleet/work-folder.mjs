// Where a run of this example lives: a new folder each time, which the next start removes unless it is to be kept.
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runId } from './tasks.mjs'

const prefix = 'reprise-fleet-'
/** Holds the id of the process that made the folder. Without it, the folder stays for good. */
const marker = 'removed-by-the-next-start'

/** @param {boolean} keep */
export function makeWorkFolder(keep) {
  const dir = mkdtempSync(join(realpathSync(tmpdir()), prefix))
  mkdirSync(processLogs(dir))
  if (!keep) writeFileSync(join(dir, marker), String(process.pid))
  return dir
}

/** Where the files adapter keeps the log. @param {string} dir */
export const logPath = (dir) => join(dir, 'runs', runId, 'log.jsonl')

/**
 * The log of a run that lives on a server, byte for byte, as the files adapter would keep it.
 * @param {import('@reprise/core').Adapter['log']} log
 * @param {string} dir
 */
export async function copyLog(log, dir) {
  const path = join(dir, 'log.jsonl')
  const lines = async function* () {
    for await (const texts of log.read(runId)) yield `${texts.join('\n')}\n`
  }
  await writeFile(path, lines())
  return path
}

/** Where processes write what they have to say. @param {string} dir */
export const processLogs = (dir) => join(dir, 'processes')

/** What earlier starts left behind, unless it was to be kept. */
export function removeOldFolders() {
  const parent = tmpdir()
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(prefix)) continue
    const folder = join(parent, name)
    try {
      // Everybody may write there: only what is our own is touched, and nothing behind a link.
      const stat = lstatSync(folder)
      if (!stat.isDirectory() || stat.uid !== (process.getuid?.() ?? stat.uid)) continue
      if (!isRunning(Number(readFileSync(join(folder, marker), 'utf8'))))
        rmSync(folder, { recursive: true, force: true })
    } catch {
      // No marker, or not ours to remove: it stays.
    }
  }
}

/** @param {number} pid */
function isRunning(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM'
  }
}
