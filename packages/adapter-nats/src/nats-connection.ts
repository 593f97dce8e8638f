import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { connect, errors, type Msg, type MsgHdrs, type NatsConnection as NatsClient } from '@nats-io/transport-node'
import { RepriseError } from '@reprise/core/adapter'
import { type ConnectionSettings, clientOptions } from './client-options.js'
import { connectFailure } from './connect-failure.js'
import { type Asked, apiFailure, NatsFailure, requestFailure } from './nats-failure.js'
import { RequestMux } from './request-mux.js'

export interface RequestOptions {
  /** What is being done, to which id: the start of an error's message. */
  readonly doing: string
  readonly headers?: MsgHdrs
  /** Default: `requestTimeoutMs` of the adapter. Time without a connection counts. */
  readonly timeoutMs?: number
  /** A member answers, not the server: it learns an inbox in which no acknowledgement is ever waited for. */
  readonly ofMember?: boolean
}

/** What a stream answers to a message that it has stored. */
export interface PublishAck {
  readonly stream: string
  /** Of the message in the stream; of the earlier one if it is a duplicate. */
  readonly seq: number
  readonly duplicate?: boolean
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * One connection to the server, made again for ever. Every request has its own deadline and ends with an answer or a
 * `NatsFailure`; one that was on its way when the connection was lost ends at once, not at its deadline.
 */
export class NatsConnection {
  /** The client itself, for subscriptions. */
  readonly client: NatsClient
  readonly requestTimeoutMs: number
  readonly #inboxPrefix: string | undefined
  readonly #ended = new AbortController()
  readonly #requests: RequestMux
  readonly #questions: RequestMux
  readonly #listeners = new Set<() => void>()
  #connected = true
  #losses = 0
  #whyEnded = 'The NATS adapter was closed. Call openNats again.'

  private constructor(client: NatsClient, settings: ConnectionSettings) {
    this.client = client
    this.requestTimeoutMs = settings.requestTimeoutMs
    this.#inboxPrefix = settings.connection?.inboxPrefix
    this.#requests = new RequestMux(client, this.newInbox())
    this.#questions = new RequestMux(client, this.newInbox())
    // Every watch, receiver and consumer listens.
    setMaxListeners(0, this.#ended.signal)
    void this.#followStatus()
    void this.#watchEnd()
  }

  static async open(settings: ConnectionSettings): Promise<NatsConnection> {
    const options = clientOptions(settings)
    try {
      return new NatsConnection(await withinTime(connect(options), settings.requestTimeoutMs), settings)
    } catch (error) {
      throw connectFailure(error, options.servers)
    }
  }

  /** Aborts when the adapter is closed, or the client has given up for good. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  get isConnected(): boolean {
    return this.#connected
  }

  /** How often the connection was lost. While this stays the same, so does the server, and was not started again. */
  get losses(): number {
    return this.#losses
  }

  /** `CLOSED` once the adapter has been closed. */
  assertOpen(): void {
    if (this.#ended.signal.aborted) throw this.#closedError()
  }

  /**
   * A fresh subject that only this connection listens to, under the user's own prefix if it has one. Those of the client
   * itself are made of a counter: whoever learns one can guess the others.
   */
  newInbox(): string {
    return `${this.#inboxPrefix ?? '_INBOX'}.${randomBytes(16).toString('hex')}`
  }

  /** Calls `listener` after each reconnection, until the returned function is called. */
  onReconnect(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Asks and waits for one answer. Waits for the connection first, if there is none: nothing is sent late. */
  async request(subject: string, payload: string | Uint8Array, options: RequestOptions): Promise<Msg> {
    this.assertOpen()
    const timeoutMs = options.timeoutMs ?? this.requestTimeoutMs
    const asked = { doing: options.doing, subject, timeoutMs }
    const leftMs = this.#connected ? timeoutMs : await this.#untilConnected(asked)
    return await this.#send(payload, options, asked, leftMs)
  }

  /** Asks the JetStream API, `path` without its prefix: `STREAM.INFO.mine`. A refusal is an `api` failure. */
  async api<Answer>(path: string, body: object | null, options: RequestOptions): Promise<Answer> {
    return await this.#askJson<Answer>(`$JS.API.${path}`, body === null ? '' : JSON.stringify(body), options)
  }

  /** Publishes into a stream and waits for its acknowledgement: one round trip. Judges nothing: see `duplicate`. */
  async publish(subject: string, payload: string | Uint8Array, options: RequestOptions): Promise<PublishAck> {
    return await this.#askJson<PublishAck>(subject, payload, options)
  }

  /** Ends everything that uses it. Twice is harmless. */
  async close(): Promise<void> {
    this.#ended.abort()
    this.#failAll(this.#closedError())
    await this.client.close()
  }

  async #askJson<Answer>(subject: string, payload: string | Uint8Array, options: RequestOptions): Promise<Answer> {
    const { data } = await this.request(subject, payload, options)
    let answer: Answer & { error?: { err_code?: number; description?: string } }
    try {
      answer = JSON.parse(decoder.decode(data)) as typeof answer
    } catch (cause) {
      const what = `${options.doing} failed: the answer from "${subject}" is not JSON. Something else listens there.`
      throw new NatsFailure('api', what, { subject, cause })
    }
    if (answer.error === undefined) return answer
    throw apiFailure(answer.error, options.doing, subject)
  }

  async #send(payload: string | Uint8Array, options: RequestOptions, asked: Asked, leftMs: number): Promise<Msg> {
    const mux = options.ofMember === true ? this.#questions : this.#requests
    try {
      return await mux.request(asked.subject, payload, options.headers, leftMs)
    } catch (error) {
      throw this.#ended.signal.aborted ? this.#closedError() : requestFailure(error, asked)
    }
  }

  /** Milliseconds that are then left of the request's time. */
  #untilConnected(asked: Asked): Promise<number> {
    const start = performance.now()
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer)
        stopListening()
        this.#ended.signal.removeEventListener('abort', end)
      }
      const end = (): void => {
        stop()
        reject(this.#closedError())
      }
      const stopListening = this.onReconnect(() => {
        stop()
        resolve(Math.max(1, asked.timeoutMs - (performance.now() - start)))
      })
      const timer = setTimeout(() => {
        stop()
        reject(notConnected(asked))
      }, asked.timeoutMs)
      this.#ended.signal.addEventListener('abort', end, { once: true })
    })
  }

  async #followStatus(): Promise<void> {
    for await (const status of this.client.status()) {
      if (status.type === 'disconnect') {
        this.#connected = false
        this.#losses++
        this.#failAll(new Error('its answer can no longer arrive'))
      } else if (status.type === 'reconnect') {
        this.#connected = true
        for (const listener of [...this.#listeners]) listener()
      } else if (status.type === 'error' && status.error instanceof errors.PermissionViolationError) {
        // The server does not say which request it was: all to that subject would fare the same.
        this.#failAll(status.error, status.error.subject)
      }
    }
  }

  async #watchEnd(): Promise<void> {
    const error = await this.client.closed()
    if (this.#ended.signal.aborted) return
    const why = error instanceof Error ? ` (${error.message})` : ''
    this.#whyEnded = `The connection to NATS was given up by its client${why}. Call openNats again.`
    this.#ended.abort()
    this.#failAll(this.#closedError())
  }

  #failAll(error: Error, subject?: string): void {
    this.#requests.fail(error, subject)
    this.#questions.fail(error, subject)
  }

  #closedError(): RepriseError {
    return new RepriseError('CLOSED', this.#whyEnded)
  }
}

const notConnected = ({ doing, subject, timeoutMs }: Asked): NatsFailure =>
  new NatsFailure(
    'disconnected',
    `${doing} failed: there was no connection to the server for ${timeoutMs} ms. Start the server, or look at the network; the connection is made again by itself.`,
    { subject },
  )

/** The client waits for ever for a listener that takes the connection and says nothing. */
async function withinTime(connecting: Promise<NatsClient>, timeoutMs: number): Promise<NatsClient> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`it takes connections, but has said nothing for ${timeoutMs} ms`)),
      timeoutMs,
    )
  })
  try {
    return await Promise.race([connecting, silence])
  } catch (error) {
    connecting.then(
      (late) => late.close(),
      () => {},
    )
    throw error
  } finally {
    clearTimeout(timer)
  }
}
