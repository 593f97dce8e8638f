import { readdirSync, readFileSync } from 'node:fs'

/**
 * Whether a process of the group still runs. Those that have ended and are not waited for by their parent do not count: in a
 * container whose first process waits for nobody, they stay for ever. `true` where the system does not tell.
 */
export function livesInGroup(group: number): boolean {
  let pids: string[]
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return true
  }
  return pids.length === 0 || pids.some((pid) => isLivingMember(pid, group))
}

function isLivingMember(pid: string, group: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the program's name in brackets and may contain anything, brackets included.
    const [state, , itsGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(itsGroup) === group && state !== 'Z' && state !== 'X'
  } catch {
    // It ended between the two looks.
    return false
  }
}
