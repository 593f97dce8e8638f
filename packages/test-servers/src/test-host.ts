import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { ip } from './ip-command.js'

/** A network namespace: for programs in it, a machine of its own on the network of the test. */
export interface TestHost extends AsyncDisposable {
  readonly name: string
  readonly address: string
  /** Runs a program on this host, like `spawn`. Its process id is the program's own. */
  exec(command: string, args?: readonly string[], options?: SpawnOptions): ChildProcess
  /** Takes the host off the network. Connections stay open and carry nothing. */
  partition(): Promise<void>
  heal(): Promise<void>
}

export interface TestHostPlace {
  readonly namespace: string
  readonly bridge: string
  /** The name of the bridge's end of the cable. */
  readonly cable: string
  readonly address: string
  readonly prefixLength: number
}

/** Makes a namespace with a cable to the bridge. Rejects, and removes what it made, when that fails. */
export async function createTestHost(name: string, place: TestHostPlace): Promise<TestHost> {
  const { namespace, bridge, cable, address, prefixLength } = place
  const inside = ['-n', namespace] as const
  let removed = false
  let joined = false
  const remove = async () => {
    if (removed) return
    removed = true
    for (const pid of (await ip('netns', 'pids', namespace)).split('\n')) endProgram(Number(pid))
    // The kernel takes a namespace apart some time later: what others can see of it goes now.
    if (joined) await ip('link', 'del', cable)
    await ip('netns', 'del', namespace)
  }
  await ip('netns', 'add', namespace)
  try {
    await ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
    joined = true
    await ip('link', 'set', cable, 'master', bridge, 'up')
    await ip(...inside, 'address', 'add', `${address}/${prefixLength}`, 'dev', 'eth0')
    await ip(...inside, 'link', 'set', 'lo', 'up')
    await ip(...inside, 'link', 'set', 'eth0', 'up')
  } catch (error) {
    await remove()
    throw error
  }
  return {
    name,
    address,
    exec: (command, args = [], options = {}) => spawn('ip', ['netns', 'exec', namespace, command, ...args], options),
    partition: async () => {
      await ip('link', 'set', cable, 'down')
    },
    heal: async () => {
      await ip('link', 'set', cable, 'up')
    },
    [Symbol.asyncDispose]: remove,
  }
}

function endProgram(pid: number): void {
  if (!(pid > 0)) return
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
