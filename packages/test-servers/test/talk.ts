import { holdDialogue } from '../src/dialogue.js'

interface Address {
  readonly host: string
  readonly port: number
}

const timeoutMs = 10_000

/** One command to Redis on a connection of its own; its reply as it came, without the last line break. */
export async function askRedisFor(
  { host, port }: Address,
  command: string,
  withinMs: number = timeoutMs,
): Promise<string> {
  const reply = await holdDialogue({ host, port, timeoutMs: withinMs }, `${command}\r\n`, (received) =>
    received.endsWith('\r\n') ? { verdict: received } : 'more',
  )
  return reply.trimEnd()
}

/** One request to NATS on a connection of its own; the JSON it answers. */
export async function askNatsFor(
  { host, port }: Address,
  subject: string,
  payload: string,
): Promise<Record<string, unknown>> {
  const inbox = '_INBOX.test'
  const opening =
    `CONNECT {"verbose":false}\r\nSUB ${inbox} 1\r\n` +
    `PUB ${subject} ${inbox} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`
  const reply = await holdDialogue({ host, port, timeoutMs }, opening, (received) => {
    const message = /MSG _INBOX\.test 1 +\d+\r\n(.*\})\r\n/s.exec(received)
    return message === null ? 'more' : { verdict: message[1]! }
  })
  return JSON.parse(reply) as Record<string, unknown>
}
