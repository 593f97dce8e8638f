import { createHash } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFiles } from '@reprise/adapter-fs'
import { type BrokenLog, brokenLogs, fileOfBroken } from './kinds.js'

/** A folder with every broken log, each a run of its own. */
export async function brokenFolder() {
  const dir = join(mkdtempSync(join(tmpdir(), 'reprise-broken-')), '.reprise')
  await (await openFiles({ dir })).close()
  const logs: Record<string, BrokenLog> = {}
  for (const [name, make] of Object.entries(brokenLogs)) {
    logs[name] = make(name)
    await mkdir(join(dir, 'runs', name), { recursive: true })
    await writeFile(join(dir, 'runs', name, 'log.jsonl'), fileOfBroken(logs[name]))
  }
  return { dir, logs, remove: () => rm(join(dir, '..'), { recursive: true, force: true }) }
}

/** Every file and folder below, with what it holds and when it was changed. */
export async function contentsOf(dir: string): Promise<string[]> {
  const names = (await readdir(dir, { recursive: true })).sort()
  return Promise.all(
    names.map(async (name) => {
      const found = await stat(join(dir, name))
      const bytes = found.isFile() ? await readFile(join(dir, name)) : Buffer.alloc(0)
      return `${name} ${found.mtimeMs} ${createHash('sha256').update(bytes).digest('hex')}`
    }),
  )
}
