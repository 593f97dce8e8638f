import type { ContainerRuntimeClient, StartedTestContainer } from 'testcontainers'
import { randomPort } from './random-port.js'
import { portsTriedMax, untilReady } from './ready.js'
import type { ServerRecipe } from './server-recipe.js'
import type { TestServer } from './test-server.js'

/** The engine's own view of a container, for what a started one does not offer: kill, pause, start at the same port. */
type Container = ReturnType<ContainerRuntimeClient['container']['getById']>

const startWithinMs = 120_000
const orderlyStopMs = 5_000
const portTaken = /port is already allocated|address already in use/i

// Loaded only where containers are used: it takes most of a second.
const testcontainers = () => import('testcontainers')

/** Resolves when a container engine answers. Rejects, within a moment where there is none. */
export async function findDocker(): Promise<void> {
  const { getContainerRuntimeClient } = await testcontainers()
  try {
    await getContainerRuntimeClient()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new Error(`no container engine answers (${why}); start Docker or set DOCKER_HOST`)
  }
}

/** Downloads the image unless it is there. `onPull` is called before a download. */
export async function obtainImage(image: string, onPull: (line: string) => void): Promise<void> {
  const { getContainerRuntimeClient, ImageName } = await testcontainers()
  const client = await getContainerRuntimeClient()
  const name = ImageName.fromString(image)
  if (await client.image.exists(name)) return
  onPull(`Pulling ${image} for the tests.`)
  await client.image.pull(name)
}

/** Starts a container. Its port on the host is fixed, so that it is the same after a restart. */
export async function startDockerServer(recipe: ServerRecipe): Promise<TestServer> {
  const { GenericContainer, Wait, getContainerRuntimeClient } = await testcontainers()
  const { image, port: inside, command, files, readyLine } = recipe.container
  const client = await getContainerRuntimeClient()
  for (let tried = 1; ; tried++) {
    const port = randomPort()
    try {
      const container = await new GenericContainer(image)
        .withExposedPorts({ container: inside, host: port })
        .withCopyContentToContainer(files.map((file) => ({ ...file })))
        .withCommand([...command])
        .withWaitStrategy(Wait.forLogMessage(readyLine))
        .withStartupTimeout(startWithinMs)
        .start()
      const host = recipe.bind === '127.0.0.1' ? container.getHost() : recipe.bind
      const server = new DockerServer(recipe, container, client.container.getById(container.getId()), host, port)
      try {
        await server.untilReady()
        return server
      } catch (error) {
        await container.stop()
        throw error
      }
    } catch (error) {
      const taken = error instanceof Error && portTaken.test(error.message)
      if (!taken || tried === portsTriedMax) throw error
    }
  }
}

class DockerServer implements TestServer {
  readonly source = 'docker'
  readonly shared = false
  readonly url: string
  #stopped = false

  constructor(
    private readonly recipe: ServerRecipe,
    private readonly container: StartedTestContainer,
    private readonly engine: Container,
    readonly host: string,
    readonly port: number,
  ) {
    this.url = `${recipe.kind}://${host}:${port}`
  }

  /** The engine's proxy accepts connections before the server does: only an answer counts. */
  async untilReady(): Promise<void> {
    await untilReady(this.recipe, this, () => null)
  }

  async kill(): Promise<void> {
    const { State } = await this.engine.inspect()
    if (!State.Running) return
    const ended = this.engine.wait()
    await this.engine.kill({ signal: 'SIGKILL' })
    await ended
  }

  async restart(): Promise<void> {
    await this.kill()
    await this.engine.start()
    await this.untilReady()
  }

  async pause(): Promise<void> {
    await this.engine.pause()
  }

  async resume(): Promise<void> {
    await this.engine.unpause()
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    const { State } = await this.engine.inspect()
    if (State.Paused) await this.engine.unpause()
    await this.container.stop({ timeout: orderlyStopMs, remove: true, removeVolumes: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
