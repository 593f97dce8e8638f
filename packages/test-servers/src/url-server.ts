import { connect } from 'node:net'
import { urlVariable } from './environment.js'
import type { ServerRecipe } from './server-recipe.js'
import type { TestServer } from './test-server.js'

const answerWithinMs = 5_000
const defaultPorts: Readonly<Record<string, number>> = { redis: 6379, nats: 4222 }
const encrypted = new Set(['rediss:', 'tls:', 'wss:'])

/** A running server of somebody else. Resolves once it has answered; a server that was named and is wrong is an error. */
export async function useUrlServer(text: string, { kind, ask }: ServerRecipe): Promise<TestServer> {
  const variable = urlVariable(kind)
  if (!URL.canParse(text)) throw new Error(`${variable} is not a URL: give one such as ${kind}://127.0.0.1:6000.`)
  const url = new URL(text)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = url.port === '' ? (defaultPorts[kind] ?? 0) : Number(url.port)
  const target = { host, port, timeoutMs: answerWithinMs }
  try {
    await (encrypted.has(url.protocol) ? knock(target) : ask(target))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    // Not the whole URL: it may hold a password.
    throw new Error(`${variable} names ${host}:${port}, which does not work: ${why}. Start that server or unset it.`)
  }
  const refuse = (verb: string) => async () => {
    throw new Error(
      `${host}:${port} comes from ${variable} and is shared: a test must not ${verb} it. Use private: true.`,
    )
  }
  const stop = async () => {}
  return {
    url: text,
    host,
    port,
    source: 'url',
    shared: true,
    kill: refuse('kill'),
    restart: refuse('restart'),
    pause: refuse('pause'),
    resume: refuse('resume'),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** Connects only: what is said on an encrypted connection is for a client to check. */
function knock({ host, port, timeoutMs }: { host: string; port: number; timeoutMs: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no connection in ${timeoutMs} ms`)))
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
  })
}
