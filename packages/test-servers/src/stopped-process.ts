import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as pauseFor } from 'node:timers/promises'

const stoppedWithinMs = 5_000
const askEveryMs = 1

/**
 * Resolves once every thread of a process that was sent SIGSTOP has stopped, or the process is gone. The signal only asks:
 * threads on other processors run on for a moment and may still answer. Without /proc there is nothing to wait by.
 */
export async function untilStopped(pid: number): Promise<void> {
  const deadline = Date.now() + stoppedWithinMs
  while (!(await allStopped(pid))) {
    if (Date.now() > deadline) throw new Error(`Process ${pid} was sent SIGSTOP and still runs after 5 s.`)
    await pauseFor(askEveryMs)
  }
}

async function allStopped(pid: number): Promise<boolean> {
  const folder = `/proc/${pid}/task`
  try {
    const threads = await readdir(folder)
    const states = await Promise.all(threads.map((thread) => readFile(`${folder}/${thread}/stat`, 'utf8')))
    // The state follows the program's name, which stands in brackets and may hold any character.
    return states.every((stat) => /^[TtZX]/.test(stat.slice(stat.lastIndexOf(')') + 2)))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return true
    throw error
  }
}
