import { randomBytes } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { CommandFailure, notFound } from './command-failure.js'

/** Puts a file in place at once, whatever was there: nobody ever sees half of it, also if this process is killed. */
export async function writeWholeFile(cwd: string, path: string, content: string): Promise<void> {
  const target = resolve(cwd, path)
  const beside = `${target}.${randomBytes(6).toString('hex')}.part`
  try {
    const file = await open(beside, 'wx')
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(beside, target)
  } catch (error) {
    await rm(beside, { force: true })
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw notFound(`There is no folder for ${path}. Make it, or name another file.`)
    throw new CommandFailure('unavailable', 'WRITE_FAILED', `${path} was not written: ${message}`)
  }
}
