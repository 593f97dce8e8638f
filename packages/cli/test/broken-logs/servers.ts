import { connect, type Socket } from 'node:net'
import { type BrokenLog, brokenLogs } from './kinds.js'

// Written past the adapters, which would refuse most of it.

/** What is in the places of a server's log, and under which index and hash it is said to be there. */
function placesOf({ pieces }: BrokenLog) {
  return pieces.map((piece, index) => {
    const hash = /^\{"hash":"([0-9a-f]{64})"/.exec(textOf(piece))?.[1] ?? '0'.repeat(64)
    return { index, hash, bytes: Buffer.from(piece) }
  })
}

export const onServers = (): [string, BrokenLog][] =>
  Object.entries(brokenLogs)
    .map(([name, make]): [string, BrokenLog] => [name, make(name)])
    .filter(([, log]) => log.onServers !== undefined)

const textOf = (chunk: Buffer | string): string => (typeof chunk === 'string' ? chunk : chunk.toString('latin1'))

/** Sends it all, and waits for `count` answers of this form. */
export async function talk(
  port: number,
  parts: readonly (string | Buffer)[],
  answer: RegExp,
  count: number,
): Promise<void> {
  const socket: Socket = connect(port, '127.0.0.1')
  try {
    await new Promise<void>((resolve, reject) => {
      let said = ''
      socket.on('error', reject)
      socket.on('close', () => reject(new Error(`The server hung up, having said ${said.slice(-500)}`)))
      socket.on('data', (chunk) => {
        said += textOf(chunk)
        if ((said.match(answer)?.length ?? 0) >= count) resolve()
      })
      socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))))
    })
  } finally {
    socket.removeAllListeners('close')
    socket.destroy()
  }
}

export const resp = (...args: (string | Buffer)[]): Buffer =>
  Buffer.concat([
    Buffer.from(`*${args.length}\r\n`),
    ...args.flatMap((arg) => [Buffer.from(`$${Buffer.byteLength(arg)}\r\n`), Buffer.from(arg), Buffer.from('\r\n')]),
  ])

export async function breakRedis(port: number, prefix: string): Promise<void> {
  const calls = onServers().flatMap(([name, log]) => {
    const places = placesOf(log)
    const { index, hash } = places.at(-1) ?? { index: -1, hash: '' }
    const tag = `{${prefix}:run:${name}}`
    return [
      resp('ZADD', `{${prefix}:runs}`, '0', name),
      resp('HSET', `${tag}:head`, 'index', String(index), 'hash', hash),
      ...places.map((place) => resp('XADD', `${tag}:log`, `${place.index + 1}-0`, 'c', place.bytes)),
    ]
  })
  await talk(port, calls, /^[:$]\d+\r$/gm, calls.length)
}

export async function breakNats(port: number, prefix: string): Promise<void> {
  const messages = onServers().flatMap(([name, log]) =>
    placesOf(log).map(({ index, hash, bytes }) => {
      const header = Buffer.from(`NATS/1.0\r\nReprise-Commit: ${index} ${hash} 0\r\n\r\n`)
      const total = header.length + bytes.length
      const first = `HPUB ${prefix}.log.${name} answers ${header.length} ${total}\r\n`
      return Buffer.concat([Buffer.from(first), header, bytes, Buffer.from('\r\n')])
    }),
  )
  const hello = `CONNECT {"headers":true,"verbose":false,"pedantic":false}\r\nSUB answers 1\r\n`
  await talk(port, [hello, ...messages], /"seq":/g, messages.length)
}
