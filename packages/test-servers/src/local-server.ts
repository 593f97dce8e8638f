import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pauseFor } from 'node:timers/promises'
import { type Guard, guardServer } from './guard.js'
import { randomPort } from './random-port.js'
import { portsTriedMax, untilReady } from './ready.js'
import type { ServerBinary } from './server-binary.js'
import { type ServerProcess, startProcess } from './server-process.js'
import type { Answer, ServerRecipe } from './server-recipe.js'
import { untilStopped } from './stopped-process.js'
import type { TestServer } from './test-server.js'

const addressInUse = /address already in use/i
const portFreeAgainMs = 200

/** Starts a program with a folder of its own under the temporary folder, on a free random port. */
export async function startLocalServer(binary: ServerBinary, recipe: ServerRecipe): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), `reprise-${recipe.kind}-`))
  const guard = guardServer(folder)
  try {
    for (let tried = 1; ; tried++) {
      const port = randomPort()
      const started = await start(binary, recipe, folder, guard, port)
      if (started !== 'port-taken') return new LocalServer(binary, recipe, folder, guard, port, started)
      if (tried === portsTriedMax) throw new Error(`${portsTriedMax} random ports in turn are taken on ${recipe.bind}.`)
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    guard.release()
    throw error
  }
}

/** Resolves once the server answers on the port, or to 'port-taken'. Otherwise rejects and leaves nothing running. */
async function start(
  binary: ServerBinary,
  recipe: ServerRecipe,
  folder: string,
  guard: Guard,
  port: number,
): Promise<ServerProcess | 'port-taken'> {
  const args = await recipe.configure(folder, port)
  const server = startProcess(binary, args, folder, join(folder, 'server.log'), guard)
  try {
    const answer = await untilReady(recipe, { host: connectAddress(recipe.bind), port }, () => server.end)
    if (answer !== null && isOurs(answer, server)) return server
    // Somebody else's server answers, so ours cannot have the port.
    if (answer !== null || addressInUse.test(server.logTail())) {
      await server.kill()
      return 'port-taken'
    }
    throw new Error(`${binary.command} ${server.end} before it was ready.`)
  } catch (error) {
    await server.kill()
    throw new Error(`${error instanceof Error ? error.message : String(error)} Its last words:\n${server.logTail()}`)
  }
}

const isOurs = ({ pid, named }: Answer, server: ServerProcess): boolean =>
  server.end === null && (pid === null || pid === server.pid) && named !== false

/** Where a client on this machine reaches a server that listens on `bind`. */
const connectAddress = (bind: string): string => (bind === '0.0.0.0' ? '127.0.0.1' : bind)

class LocalServer implements TestServer {
  readonly shared = false
  readonly url: string
  readonly host: string
  readonly source: 'path' | 'apt'
  #server: ServerProcess
  #stopped = false
  #turn: Promise<void> = Promise.resolve()

  constructor(
    private readonly binary: ServerBinary,
    private readonly recipe: ServerRecipe,
    private readonly folder: string,
    private readonly guard: Guard,
    readonly port: number,
    server: ServerProcess,
  ) {
    this.#server = server
    this.source = binary.source
    this.host = connectAddress(recipe.bind)
    this.url = `${recipe.kind}://${this.host}:${port}`
  }

  kill(): Promise<void> {
    return this.#inTurn(() => this.#server.kill())
  }

  restart(): Promise<void> {
    return this.#inTurn(() => this.#restart())
  }

  async pause(): Promise<void> {
    const { pid, end } = this.#server
    if (pid === undefined || end !== null) throw new Error(`${this.url} does not run: there is nothing to pause.`)
    this.#server.signal('SIGSTOP')
    await untilStopped(pid)
  }

  async resume(): Promise<void> {
    this.#server.signal('SIGCONT')
  }

  stop(): Promise<void> {
    return this.#inTurn(() => this.#stop())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #restart(): Promise<void> {
    if (this.#stopped) throw new Error(`${this.url} was stopped and its data removed: start a new server.`)
    await this.#server.kill()
    for (let tried = 1; ; tried++) {
      const started = await start(this.binary, this.recipe, this.folder, this.guard, this.port)
      if (started !== 'port-taken') {
        this.#server = started
        return
      }
      if (tried === portsTriedMax) throw new Error(`${this.url} cannot restart: another program took its port.`)
      await pauseFor(portFreeAgainMs)
    }
  }

  async #stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    await this.#server.stop()
    await rm(this.folder, { recursive: true, force: true })
    this.guard.release()
  }

  /** One after the other: a stop must not miss the process that a restart is starting. */
  #inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(act)
    this.#turn = done.catch(() => {})
    return done
  }
}
