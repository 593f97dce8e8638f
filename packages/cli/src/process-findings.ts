import { readFile } from 'node:fs/promises'
import type { Finding } from '@reprise/core'

const nodeMin = [20, 19] as const
const openFilesMin = 4_096
/** Kernels from before 5.11 had 8,192 watches by default, and every watch of a run takes one. */
const watchesMin = 65_536
const instancesMin = 128

/** What of this process and its machine a coordinator or worker that is started here would meet. */
export async function processFindings(onFiles: boolean): Promise<Finding[]> {
  const inotify = onFiles && process.platform === 'linux' ? [await inotifyFinding()] : []
  return [nodeFinding(process.versions.node), await openFilesFinding(), ...inotify.flat()]
}

export function nodeFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const figures = { version }
  if (major < nodeMin[0] || (major === nodeMin[0] && minor < nodeMin[1])) {
    const remedy = `Use Node.js ${nodeMin.join('.')} or later.`
    return { name: 'node', level: 'problem', message: `Node.js ${version} is too old.`, remedy, figures }
  }
  if (major % 2 === 1) {
    const message = `Node.js ${version} is of a line without long-term support.`
    return {
      name: 'node',
      level: 'warning',
      message,
      remedy: 'Use an even major version for work that matters.',
      figures,
    }
  }
  return { name: 'node', level: 'ok', message: `Node.js ${version}.`, figures }
}

async function openFilesFinding(): Promise<Finding> {
  const name = 'open-files'
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const found = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1]
  if (found === undefined)
    return { name, level: 'ok', message: 'This system does not tell how many files may be open.' }
  const limit = found === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(found)
  const message = `A process may have ${found} files and connections open.`
  if (limit >= openFilesMin) return { name, level: 'ok', message, figures: { openFilesMax: limit } }
  const remedy = `For many runs or workers in one process, raise it: ulimit -n ${openFilesMin}.`
  return { name, level: 'warning', message, remedy, figures: { openFilesMax: limit } }
}

async function inotifyFinding(): Promise<Finding[]> {
  const read = async (name: string): Promise<number> =>
    Number(await readFile(`/proc/sys/fs/inotify/${name}`, 'utf8').catch(() => Number.NaN))
  const [watches, instances] = await Promise.all([read('max_user_watches'), read('max_user_instances')])
  if (Number.isNaN(watches) || Number.isNaN(instances)) return []
  const figures = { maxUserWatches: watches, maxUserInstances: instances }
  const message = `This user may have ${instances} watchers of ${watches} folders: beyond, changes are looked for every 100 ms.`
  if (watches >= watchesMin && instances >= instancesMin) return [{ name: 'inotify', level: 'ok', message, figures }]
  const remedy = `For many processes, raise them: sysctl fs.inotify.max_user_watches=${watchesMin} fs.inotify.max_user_instances=${instancesMin}.`
  return [{ name: 'inotify', level: 'warning', message, remedy, figures }]
}
