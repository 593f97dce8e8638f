// The processes of the fleet: started, killed, replaced and stopped, each by its id.
import { fork } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { processLogs } from './work-folder.mjs'

/** @typedef {'coordinator' | 'worker'} Role */
/** @typedef {{ role: Role, pid: number, log: string, child: import('node:child_process').ChildProcess }} Member */
/** @typedef {{ member: Member, code: number | null, killedBy: NodeJS.Signals | null }} Death */

/** How long a process may take to end after SIGTERM. */
const stopMs = 4_000

export class Processes {
  /** @type {Map<number, Member>} */
  #running = new Map()
  #started = 0
  #stopping = false
  #dir
  #server
  #onDeath
  #killAll = () => this.#signal('SIGKILL')

  /**
   * @param {string} dir
   * @param {string | undefined} server
   * @param {(death: Death) => void} onDeath of a process that was not told to stop
   */
  constructor(dir, server, onDeath) {
    this.#dir = dir
    this.#server = server
    this.#onDeath = onDeath
    // Whatever ends this program ends them.
    process.on('exit', this.#killAll)
  }

  /** The same command every time. @param {Role} role @returns {Member} */
  start(role) {
    const log = join(processLogs(this.#dir), `${String(++this.#started).padStart(2, '0')}-${role}.txt`)
    const output = openSync(log, 'a')
    const child = fork(join(import.meta.dirname, `${role}.mjs`), [this.#dir], {
      execArgv: ['--import', new URL('stop-with-parent.mjs', import.meta.url).href],
      stdio: ['ignore', output, output, 'ipc'],
      // Not among the arguments, which everybody on the machine can read: there may be a password in it.
      // Over files there must be none, or it would be looked for there.
      env: { ...process.env, REPRISE_SERVER: this.#server },
      // Ctrl-C reaches this program alone, which then stops them in good order.
      detached: true,
    })
    closeSync(output)
    if (child.pid === undefined) throw new Error(`a ${role} process could not be started`)
    const member = { role, pid: child.pid, log, child }
    this.#running.set(member.pid, member)
    child.once('exit', (code, killedBy) => {
      this.#running.delete(member.pid)
      if (!this.#stopping) this.#onDeath({ member, code, killedBy })
    })
    return member
  }

  /** @param {Role} role */
  pids(role) {
    return [...this.#running.values()].filter((member) => member.role === role).map(({ pid }) => pid)
  }

  /** The one with that process id, or else the longest running one of that role. @param {Role} role @param {number} [pid] */
  find(role, pid = 0) {
    return this.#running.get(pid) ?? [...this.#running.values()].find((member) => member.role === role)
  }

  /** SIGTERM, then SIGKILL for what does not listen. Resolves when all have ended. */
  async stop() {
    this.#stopping = true
    const ends = [...this.#running.values()].map(
      ({ child }) =>
        new Promise((resolve) =>
          (child.exitCode ?? child.signalCode) === null ? child.once('exit', resolve) : resolve(null),
        ),
    )
    this.#signal('SIGTERM')
    const impatience = setTimeout(this.#killAll, stopMs)
    await Promise.all(ends)
    clearTimeout(impatience)
    process.off('exit', this.#killAll)
  }

  /** @param {NodeJS.Signals} signal */
  #signal(signal) {
    for (const { child } of this.#running.values()) child.kill(signal)
  }
}

/** What a process said last. @param {Member} member */
export const lastWords = ({ log }) => readFileSync(log, 'utf8').trimEnd().split('\n').slice(-12).join('\n')
