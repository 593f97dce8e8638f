import { spawn } from 'node:child_process'

/** A small process that cleans up once this one has ended, however it ended. */
export interface Guard {
  /** Tells the script one line. Sent before the call returns, so that a SIGKILL just after it changes nothing. */
  tell(line: string): void
  /** Lets the guard go without cleaning up: the owner has done it. */
  release(): void
}

/**
 * The guard of a server and its folder `$1`. Lines: `pid <n>` a server runs, `gone` it has ended, `done` nothing is left.
 * The end of the input means that the owner is gone. The folder is removed repeatedly, because a dying server may write.
 */
const serverScript = `
pid=
while read -r word value; do
  case $word in
    pid) pid=$value ;;
    gone) pid= ;;
    done) exit 0 ;;
  esac
done
[ -n "$pid" ] && kill -9 "$pid"
round=0
while [ $round -lt 50 ]; do
  rm -rf "$1"
  [ -e "$1" ] || exit 0
  round=$((round + 1))
  sleep 0.1
done
`

export const guardServer = (folder: string): Guard => startGuard(serverScript, [folder])

/**
 * Starts `script` in a shell that reads lines from us. In a session of its own, so that an interrupt from the terminal
 * ends us and leaves it alive to do its work.
 */
export function startGuard(script: string, args: readonly string[]): Guard {
  const shell = spawn('/bin/sh', ['-c', script, 'reprise-guard', ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    env: { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin` },
  })
  // Without a guard the tests still work; only what a SIGKILL of this process leaves behind is then not removed.
  shell.on('error', () => {})
  shell.stdin.on('error', () => {})
  shell.unref()
  if ('unref' in shell.stdin && typeof shell.stdin.unref === 'function') shell.stdin.unref()
  return {
    tell: (line) => void shell.stdin.write(`${line}\n`),
    release: () => void shell.stdin.end('done\n'),
  }
}
