import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '../../packages/core/src/flow')

/** Some files to work on: those of the library that decide. */
export const listSources = () =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => ({ name, path: join(folder, name) }))
