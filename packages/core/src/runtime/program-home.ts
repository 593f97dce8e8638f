import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isGrouped, type ProgramGuard } from './start-program.js'

/** Seconds from SIGTERM to SIGKILL for what outlives us. */
const killAfterSeconds = 5

// A process of its own, outside our session, that does one thing: once its standard input ends, which it does however we end,
// it stops the groups that were named to it and not taken back, and removes our folder.
const script = `
trap '' HUP INT TERM
groups=' '
while read -r what group; do
  case $what in
    +) case $groups in *" $group "*) ;; *) groups="$groups$group " ;; esac ;;
    -) case $groups in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac ;;
  esac
done
for group in $groups; do kill -s TERM -- "-$group"; done
waited=0
while [ "$waited" -lt ${killAfterSeconds} ]; do
  left=
  for group in $groups; do kill -s 0 -- "-$group" && left=yes; done
  [ -n "$left" ] || break
  sleep 1
  waited=$((waited + 1))
done
for group in $groups; do kill -s KILL -- "-$group"; done
rm -rf -- "$1"
`

/**
 * Where the programs of this process live: folders of theirs, and somebody who ends them and removes those when this
 * process is gone, killed or not. Nothing has to be closed.
 */
export class ProgramHome implements ProgramGuard {
  readonly #folder = mkdtempSync(join(tmpdir(), 'reprise-programs-'))
  readonly #groups = new Set<number>()
  #guard: ChildProcess | undefined

  /** A fresh folder that only this user can read. */
  async makeFolder(): Promise<string> {
    // Before the folder: nobody else would remove it.
    this.#started()
    // Systems tidy up where temporary files are, and a worker may run for weeks.
    if (!existsSync(this.#folder)) mkdirSync(this.#folder, { mode: 0o700 })
    return mkdtemp(join(this.#folder, 'task-'))
  }

  /** Resolves when the guard will know it, whatever happens to us. */
  add(group: number): Promise<void> {
    this.#groups.add(group)
    return this.#tell(`+ ${group}\n`)
  }

  delete(group: number): void {
    this.#groups.delete(group)
    // One that has died knows nothing of it any more.
    this.#tell(`- ${group}\n`).catch(() => {})
  }

  #tell(line: string): Promise<void> {
    const guard = this.#started()
    return new Promise((resolve, reject) => {
      if (guard?.stdin === undefined || guard.stdin === null) resolve()
      else guard.stdin.write(line, (error) => (error ? reject(error) : resolve()))
    })
  }

  /** Started with the first program, and again if somebody has killed it: with what it has to know. */
  #started(): ChildProcess | undefined {
    if (this.#guard !== undefined || !isGrouped) return this.#guard
    const guard = spawn('/bin/sh', ['-c', script, 'reprise-guard', this.#folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
    })
    this.#guard = guard
    const forget = (): void => {
      if (this.#guard === guard) this.#guard = undefined
    }
    guard.on('error', forget)
    guard.on('exit', forget)
    // Where no file can be opened any more, it has no pipe: it was not started.
    if (guard.pid === undefined) return guard
    guard.stdin.on('error', forget)
    for (const group of this.#groups) guard.stdin.write(`+ ${group}\n`)
    // It must not keep this process running.
    guard.unref()
    if ('unref' in guard.stdin && typeof guard.stdin.unref === 'function') guard.stdin.unref()
    return guard
  }
}

let own: ProgramHome | undefined

/** One for this process, made with its first program. */
export function ownProgramHome(): ProgramHome {
  own ??= new ProgramHome()
  return own
}
