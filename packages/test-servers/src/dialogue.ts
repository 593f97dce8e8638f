import { connect } from 'node:net'

/** What to do with the text received so far: more to say, wait for more, or the end with a verdict. */
export type DialogueStep = { readonly say: string } | 'more' | { readonly verdict: string }

export interface DialogueTarget {
  readonly host: string
  readonly port: number
  readonly timeoutMs: number
}

/**
 * One connection on which a few protocol bytes are exchanged. `next` is called with everything received since it last
 * had something to say. Rejects when the connection fails, ends early or takes longer than `timeoutMs`.
 */
export function holdDialogue(
  { host, port, timeoutMs }: DialogueTarget,
  opening: string,
  next: (received: string) => DialogueStep,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    let received = ''
    const end = (settle: () => void) => {
      clearTimeout(timer)
      socket.destroy()
      settle()
    }
    const fail = (error: Error) => end(() => reject(error))
    const timer = setTimeout(() => fail(new Error(`${host}:${port} did not answer in ${timeoutMs} ms`)), timeoutMs)
    socket.setEncoding('utf8')
    socket.on('connect', () => opening !== '' && socket.write(opening))
    socket.on('data', (text: string) => {
      received += text
      let step: DialogueStep
      try {
        step = next(received)
      } catch (error) {
        return end(() => reject(error))
      }
      if (step === 'more') return
      if ('verdict' in step) return end(() => resolve(step.verdict))
      received = ''
      socket.write(step.say)
    })
    socket.on('error', fail)
    socket.on('close', () => fail(new Error(`${host}:${port} closed the connection`)))
  })
}
