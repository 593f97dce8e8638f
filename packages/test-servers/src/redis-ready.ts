import { type DialogueTarget, holdDialogue } from './dialogue.js'

/** Errors that pass by themselves: data still being loaded, or the server busy. Any other reply is a working server. */
const notYet = /^-(LOADING|BUSY|MASTERDOWN)/

/**
 * Asks PING, then which process answers. `pid` is null where the server does not tell, because it wants a password
 * first. Rejects while the server is not ready.
 */
export async function askRedis(target: DialogueTarget): Promise<{ pid: number | null }> {
  let asked = false
  const verdict = await holdDialogue(target, 'PING\r\n', (received) => {
    if (!received.endsWith('\r\n')) return 'more'
    if (!/^[+\-$]/.test(received) || notYet.test(received)) return { verdict: `answers ${received.trim()}` }
    if (!asked) {
      asked = true
      return received.startsWith('+PONG') ? { say: 'INFO server\r\n' } : { verdict: '' }
    }
    if (received.startsWith('-')) return { verdict: '' }
    const pid = /^process_id:(\d+)\r\n/m.exec(received)?.[1]
    return pid === undefined ? 'more' : { verdict: pid }
  })
  if (verdict.startsWith('answers')) throw new Error(`The server at ${target.host}:${target.port} ${verdict}`)
  return { pid: verdict === '' ? null : Number(verdict) }
}
