import { CommandFailure } from './command-failure.js'
import type { ExitName } from './exit-codes.js'

const exits: Readonly<Record<string, Exclude<ExitName, 'ok'>>> = {
  ENOENT: 'notFound',
  ENOTDIR: 'usage',
  EISDIR: 'usage',
  ENAMETOOLONG: 'usage',
  EEXIST: 'refused',
  EACCES: 'refused',
  EPERM: 'refused',
  EROFS: 'refused',
}

/** Does something with a file that was named on the command line: what the file system says is no bug of ours. */
export async function withFile<T>(path: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use()
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (code === undefined || syscall === undefined || !/^E[A-Z]+$/.test(code)) throw error
    throw new CommandFailure(
      exits[code] ?? 'unavailable',
      code,
      `${path} could not be used: ${(error as Error).message}. Name another file or folder, or mend this one, and call again.`,
      { path },
    )
  }
}
