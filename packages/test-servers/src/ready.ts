import { setTimeout as pauseFor } from 'node:timers/promises'
import type { Answer, ServerRecipe } from './server-recipe.js'

/** How many random ports are tried before a start fails. */
export const portsTriedMax = 5

const readyWithinMs = 30_000
const askForMs = 5_000
const askEveryMs = 10

/**
 * Asks until the server answers, and resolves with its answer. Resolves with null as soon as `ended` tells that it has
 * ended; rejects after 30 s. It asks again and again because a server does not tell a client when it starts to listen.
 */
export async function untilReady(
  recipe: ServerRecipe,
  { host, port }: { readonly host: string; readonly port: number },
  ended: () => string | null,
): Promise<Answer | null> {
  const deadline = Date.now() + readyWithinMs
  let last = 'nothing was asked'
  while (ended() === null) {
    const leftMs = deadline - Date.now()
    if (leftMs <= 0) throw new Error(`The ${recipe.kind} server on ${host}:${port} is not ready in 30 s: ${last}.`)
    try {
      return await recipe.ask({ host, port, timeoutMs: Math.min(leftMs, askForMs) })
    } catch (error) {
      last = error instanceof Error ? error.message : String(error)
      await pauseFor(askEveryMs)
    }
  }
  return null
}
