import { RepriseError } from '@reprise/core/adapter'

/** The code of a failed system call, `ENOSPC` and the like, or `''`. */
export const systemCode = (error: unknown): string => {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full: free some space, then try again.',
  EDQUOT: 'The disk quota is used up: free some space, then try again.',
  EFBIG: 'The file has reached the largest size that this system allows.',
  EMFILE: 'This process has too many open files: raise its limit (ulimit -n).',
  ENFILE: 'This system has too many open files: close some, or raise its limit.',
  EACCES: 'This process may not do that: check owner and mode of the folder.',
  EPERM: 'This process may not do that: check owner and mode of the folder.',
  EROFS: 'The file system is mounted read-only.',
  EIO: 'The disk reports an error: check its health before going on.',
}

/** A failed system call as an operating failure that says what was being done, to which path, and what to do. */
export function fileFailure(error: unknown, doing: string, path: string): RepriseError {
  const code = systemCode(error)
  const remedy = remedies[code] ?? 'Check that the folder exists and can be written, then try again.'
  return new RepriseError('ADAPTER_UNAVAILABLE', `${doing} ${path} failed${code && ` (${code})`}. ${remedy}`, {
    details: { path, systemCode: code },
    cause: error,
  })
}
