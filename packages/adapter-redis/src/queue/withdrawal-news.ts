import type { Redis } from 'ioredis'
import type { RedisClient, RedisEndpoint } from '../redis-endpoint.js'

type Listener = (jobId: string) => void

/**
 * One connection that hears of withdrawals, for all consumers of an adapter. News that is missed costs time only:
 * heartbeats ask the server.
 */
export class WithdrawalNews {
  readonly #endpoint: RedisEndpoint
  readonly #timeoutMs: number
  #client: RedisClient | null = null
  readonly #listeners = new Map<string, Set<Listener>>()

  constructor(endpoint: RedisEndpoint, timeoutMs: number) {
    this.#endpoint = endpoint
    this.#timeoutMs = timeoutMs
  }

  /** Resolves once it listens, or after the time that a command may take: it goes on trying by itself. */
  async listen(channel: string, listener: Listener, onError: (error: unknown) => void): Promise<void> {
    this.#client ??= this.#connect()
    const listeners = this.#listeners.get(channel)
    if (listeners !== undefined) {
      listeners.add(listener)
      return
    }
    this.#listeners.set(channel, new Set([listener]))
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#timeoutMs)
    })
    const listening = this.#client.subscribe(channel).catch((error: unknown) => {
      if (this.#client !== null) onError(error)
    })
    await Promise.race([listening, late])
    clearTimeout(timer)
  }

  forget(channel: string, listener: Listener): void {
    const listeners = this.#listeners.get(channel)
    if (!listeners?.delete(listener) || listeners.size > 0) return
    this.#listeners.delete(channel)
    this.#client?.unsubscribe(channel).catch(() => undefined) // Then it hears what nobody listens to.
    if (this.#listeners.size === 0) this.close()
  }

  close(): void {
    const client = this.#client
    this.#client = null
    this.#listeners.clear()
    if (client === null) return
    client.disconnect()
    // `disconnect` waits for the server to say goodbye, which one that is paused never does.
    if (!client.isCluster) (client as Redis).stream?.destroy()
  }

  #connect(): RedisClient {
    // Waits for a server that is away.
    // Subscribing again is ours: that of ioredis fails unheard when the connection is closed meanwhile, which ends a process.
    const client = this.#endpoint.client({
      enableOfflineQueue: true,
      maxRetriesPerRequest: null,
      autoResubscribe: false,
    })
    client.on('ready', () => {
      const channels = [...this.#listeners.keys()]
      if (this.#client !== client || channels.length === 0) return
      client.subscribe(...channels).catch(() => undefined) // Then the connection is lost, and will be ready again.
    })
    client.on('message', (channel: string, jobId: string) => {
      for (const listener of this.#listeners.get(channel) ?? []) listener(jobId)
    })
    // The consumer's own connections report the same failures.
    client.on('error', () => undefined)
    return client
  }
}
