import { execFileSync } from 'node:child_process'
import { appendFile, mkdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A folder in which only so many bytes can be written until `free` is called. */
export interface TinyDisk {
  readonly dir: string
  /** What a process must be started through to meet the limit. */
  readonly through: readonly string[]
  /** Bytes that can still be written. Not there where only files are limited. */
  readonly left: (() => Promise<number>) | null
  /** Leaves no byte, where that can be done. */
  fill(): Promise<void>
  free(): Promise<void>
  remove(): void
}

/**
 * A file system in memory that is full up to `leftBytes`. Where mounting is not permitted, says so and limits the size
 * of files instead, which ends in a short write and an error as well.
 */
export async function tinyDisk(folder: string, leftBytes: number): Promise<TinyDisk> {
  const mount = join(folder, 'disk')
  await mkdir(mount)
  const sizeBytes = 16 * 1024 * 1024
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', mount], { stdio: 'pipe' })
  } catch (error) {
    process.stdout.write(`A tmpfs cannot be mounted here (${String(error)}): limiting the size of files instead.\n`)
    const through = ['prlimit', `--fsize=${leftBytes}`]
    return { dir: mount, through, left: null, fill: async () => {}, free: async () => {}, remove: () => {} }
  }
  const ballast = join(mount, 'ballast')
  await writeFile(ballast, Buffer.alloc(sizeBytes - leftBytes))
  return {
    dir: join(mount, 'run'),
    through: [],
    left: async () => {
      const { bavail, bsize } = await statfs(mount)
      return bavail * bsize
    },
    fill: async () => {
      try {
        for (;;) await appendFile(ballast, Buffer.alloc(4096))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
    },
    free: () => rm(ballast),
    // Lazily: a process that is being ended may still have files open.
    remove: () => execFileSync('umount', ['--lazy', mount]),
  }
}
