import { type DialogueTarget, holdDialogue } from './dialogue.js'

interface ServerInfo {
  readonly server_name?: string
  readonly jetstream?: boolean
  readonly auth_required?: boolean
  readonly tls_required?: boolean
}

const inbox = '_INBOX.reprise-test-servers'
/** The configuration may give JetStream to other accounts than the one of a client without credentials. */
const noAccount = /not enabled for account/
const hello = `CONNECT {"verbose":false,"pedantic":false,"lang":"node","version":"0"}\r\nPING\r\n`
const askJetStream = `SUB ${inbox} 1\r\nPUB $JS.API.INFO ${inbox} 0\r\n\r\n`

/**
 * Reads the server's INFO, exchanges PING and PONG and asks JetStream for its account. A server that wants credentials
 * or TLS first is believed by its INFO, which it sends only once JetStream has recovered. Rejects while it is not ready.
 */
export async function askNats(target: DialogueTarget): Promise<{ name: string }> {
  let info: ServerInfo | null = null
  let stage: 'info' | 'pong' | 'jetstream' = 'info'
  const where = `${target.host}:${target.port}`
  const verdict = await holdDialogue(target, '', (received) => {
    if (stage === 'info') {
      const end = received.indexOf('\r\n')
      if (end < 0) return 'more'
      if (!received.startsWith('INFO {')) return { verdict: `${where} does not speak the protocol of NATS` }
      info = JSON.parse(received.slice(5, end)) as ServerInfo
      if (info.jetstream !== true) return { verdict: `JetStream is off on the server at ${where}` }
      if (info.auth_required === true || info.tls_required === true) return { verdict: '' }
      stage = 'pong'
      return { say: hello }
    }
    if (stage === 'pong') {
      if (received.includes('-ERR')) return { verdict: received.trim() }
      if (!received.includes('PONG\r\n')) return 'more'
      stage = 'jetstream'
      return { say: askJetStream }
    }
    if (!received.includes('}\r\n')) return 'more'
    const works = !received.includes('"error"') || noAccount.test(received)
    return { verdict: works ? '' : `JetStream at ${where} answers ${received.trim()}` }
  })
  if (verdict !== '') throw new Error(verdict)
  return { name: (info as ServerInfo | null)?.server_name ?? '' }
}
