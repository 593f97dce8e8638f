import { execFileSync, spawnSync } from 'node:child_process'

export interface Injection {
  readonly call: 'fdatasync' | 'write' | 'pread64' | 'mkdir' | 'fchmod' | 'rename' | 'getdents64' | 'close'
  /** As strace says it: `signal=SIGKILL`, `error=EIO`, `delay_enter=1000000`. A signal to kill comes before the call. */
  readonly does: string
  /** The how many-th call, from 1. */
  readonly when: number
  /** Counts only calls on this file. It need not exist yet. */
  readonly path?: string
  /** File for what strace saw: nothing else tells when a process has got to its fault. Default: nowhere. */
  readonly trace?: string
}

/** What to put in front of a program so that one of its system calls does not go as it should. */
export function strace({ call, does, when, path, trace = '/dev/null' }: Injection): string[] {
  const only = path === undefined ? [] : ['-P', path]
  const inject = `inject=${call}:${does}:when=${when}`
  return ['strace', '-f', '-qq', '-o', trace, ...only, '-e', `trace=${call}`, '-e', inject]
}

/** strace counts per thread, so all trips to the disk must be made by the same one. */
export const oneThread = { UV_THREADPOOL_SIZE: '1' }

/** Installs strace if it is missing and this can be done. Fails with what to do if not: no fault test is ever skipped. */
export function requireStrace(): void {
  if (isInstalled()) return
  if (process.getuid?.() === 0) {
    spawnSync('apt-get', ['update'], { stdio: 'ignore' })
    spawnSync('apt-get', ['install', '--yes', '--no-install-recommends', 'strace'], { stdio: 'ignore' })
  }
  if (!isInstalled()) {
    throw new Error('These tests inject faults with strace, which is not installed. On Debian: apt-get install strace.')
  }
}

function isInstalled(): boolean {
  try {
    execFileSync('strace', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
