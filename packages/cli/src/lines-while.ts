/**
 * Lines of something that tells them while it works: each `tell` resolves once its line was taken, so that a slow reader
 * holds it back. Ends, or fails, with `work`; if the reader leaves before, `tell` rejects, and `work` is waited for.
 */
export async function* linesWhile<T>(work: (tell: (line: T) => Promise<void>) => Promise<void>): AsyncGenerator<T> {
  const waiting: { readonly line: T; readonly taken: () => void; readonly left: (error: Error) => void }[] = []
  let wake = (): void => {}
  let isDone = false
  let isLeft = false
  const tell = (line: T): Promise<void> =>
    new Promise((taken, left) => {
      if (isLeft) return left(gone())
      waiting.push({ line, taken, left })
      wake()
    })
  const working = work(tell).finally(() => {
    isDone = true
    wake()
  })
  // Told below, once what came before it was read.
  working.catch(() => {})
  try {
    for (;;) {
      const next = waiting[0]
      if (next !== undefined) {
        yield next.line
        waiting.shift()
        next.taken()
      } else if (isDone) break
      else
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
    await working
  } finally {
    isLeft = true
    for (const { left } of waiting) left(gone())
    // What it holds is let go before the backend is closed.
    await working.catch(() => {})
  }
}

const gone = (): Error => new Error('nobody reads on')
