import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** Names one process for ever: a process id alone is given to another process sooner or later. */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks from the boot to its start, as text; `null` where the system does not tell. */
  readonly startedAt: string | null
  /** Host name, boot and namespace that the process id belongs to: elsewhere it means another process. */
  readonly scope: string
}

let own: ProcessIdentity | null = null

/** The identity of this process. Read once. */
export function ownIdentity(): ProcessIdentity {
  own ??= { pid: process.pid, startedAt: readStart(process.pid), scope: readScope() }
  return own
}

/**
 * Whether that process still runs. `unknown` if it is (or was) elsewhere, or if this system can only tell that some
 * process has its id. Costs two system calls at most, and no memory: it may be polled.
 */
export function isAlive(identity: ProcessIdentity): 'alive' | 'gone' | 'unknown' {
  if (identity.scope !== ownIdentity().scope) return 'unknown'
  if (!exists(identity.pid)) return 'gone'
  const startedAt = readStart(identity.pid)
  if (startedAt === 'ended') return 'gone'
  // Not readable: it ended between the two looks, or this system hides other people's processes.
  if (startedAt === null || identity.startedAt === null) return exists(identity.pid) ? 'unknown' : 'gone'
  return startedAt === identity.startedAt ? 'alive' : 'gone'
}

/** The value of a lease or claim that was read from a backend, if it has the form of an identity. */
export function parseIdentity(value: unknown): ProcessIdentity | null {
  if (typeof value !== 'object' || value === null) return null
  const { pid, startedAt, scope } = value as Record<string, unknown>
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0 || typeof scope !== 'string') return null
  return typeof startedAt === 'string' || startedAt === null ? { pid, startedAt, scope } : null
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it runs, and belongs to somebody else.
    return (error as { code?: unknown }).code !== 'ESRCH'
  }
}

/** Field 22 of `/proc/<pid>/stat`. A process that was killed but not waited for by its parent counts as ended. */
function readStart(pid: number): string | 'ended' | null {
  const stat = readText(`/proc/${pid}/stat`)
  // The second field is the program's name in brackets and may contain anything, brackets included.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields?.[0] === 'Z' || fields?.[0] === 'X') return 'ended'
  return fields?.[19] ?? null
}

function readScope(): string {
  const boot = readText('/proc/sys/kernel/random/boot_id')?.trim() ?? ''
  return `${hostname()} ${boot} ${readNamespace()}`.trim()
}

/** Containers on one host share its boot and may share its name, but count their processes on their own. */
function readNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return ''
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return null
  }
}
