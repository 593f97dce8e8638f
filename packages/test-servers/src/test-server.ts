/** Which server: both names are also how messages call it. */
export type ServerKind = 'redis' | 'nats'

/** Where a server came from: a running one named by the environment, a binary found, a container, a Debian package. */
export type ServerSource = 'url' | 'path' | 'docker' | 'apt'

/** A server for one test. Leaving its `await using` block stops it and removes its data. */
export interface TestServer extends AsyncDisposable {
  /** What a client connects to: `redis://host:port` or `nats://host:port`. */
  readonly url: string
  readonly host: string
  readonly port: number
  readonly source: ServerSource
  /** Whether others use it too: it may hold foreign data and cannot be killed, restarted or paused. */
  readonly shared: boolean
  /** SIGKILL. Resolves once the server is gone; its data folder stays. Rejects on a shared server. */
  kill(): Promise<void>
  /** Starts it again on the same port with the same data, killing it first if it runs. Resolves once it answers. */
  restart(): Promise<void>
  /** SIGSTOP: connections stay open, nothing answers. Resolves once all its threads have stopped. */
  pause(): Promise<void>
  /** SIGCONT. */
  resume(): Promise<void>
  /** Ends the server in order (by force after 5 s) and removes its data. Does nothing to a shared server. */
  stop(): Promise<void>
}

export interface StartServerOptions {
  /** True: never the server of the environment URL, because the test is going to kill or configure it. */
  readonly private?: boolean
  /** The address to listen on, 127.0.0.1 unless given. */
  readonly bind?: string
}
