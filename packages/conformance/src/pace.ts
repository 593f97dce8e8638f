import { type Adapter, isRepriseError } from '@reprise/core/adapter'
import { runId } from './sample-records.js'

const pauseMs = 10
const nobody = runId('pace')

/**
 * Measures for how long any of those who take part in a scenario stood still: each adapter is asked something small
 * again and again, and its process, the server behind it and this process all have to move for an answer to come.
 */
export class Pace {
  #stillMs = 0

  /** The longest time without an answer. */
  get stillMs(): number {
    return this.#stillMs
  }

  /** Until the adapter is closed, or what this returns is called: before a kill, since the dead answer nobody. */
  follow({ log }: Adapter): () => void {
    let lastMs = performance.now()
    let ended = false
    const note = (): void => {
      const nowMs = performance.now()
      this.#stillMs = Math.max(this.#stillMs, nowMs - lastMs)
      lastMs = nowMs
    }
    const ask = async (): Promise<void> => {
      while (!ended) {
        const failure = await log.head(nobody).then(
          () => null,
          (error: unknown) => error,
        )
        if (ended || isRepriseError(failure, 'CLOSED')) return
        // A failure tells only that it has not answered yet.
        if (failure === null) note()
        await new Promise((resolve) => setTimeout(resolve, pauseMs))
      }
    }
    void ask()
    return () => {
      if (!ended) note()
      ended = true
    }
  }
}
