import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { FolderWatch } from '../src/folder-watch.js'
import { temporaryFolder, until } from './delivery-parts.js'

it('a watch that the system refuses still looks at intervals', async () => {
  let looks = 0
  const watch = new FolderWatch(join(temporaryFolder(), 'missing'), 5, () => looks++)
  onTestFinished(() => watch.close())
  await until(() => looks > 2)
})

it('a watch tells the name of the file that changed, and nothing after it is closed', async () => {
  const dir = temporaryFolder()
  mkdirSync(join(dir, 'watched'))
  const names: (string | null)[] = []
  const watch = new FolderWatch(join(dir, 'watched'), 60_000, (name) => names.push(name))
  await until(() => {
    writeFileSync(join(dir, 'watched', 'a'), String(performance.now()))
    return names.includes('a')
  })
  watch.close()
  const known = names.length
  const other = new FolderWatch(join(dir, 'watched'), 60_000, (name) => name === 'b' && other.close())
  onTestFinished(() => other.close())
  writeFileSync(join(dir, 'watched', 'b'), '')
  await new Promise((resolve) => setImmediate(resolve))
  expect(names.length).toBe(known)
})
