import { defineTask } from '@reprise/core'
import { z } from 'zod'

/** A task of about 300 bytes that asks next to nothing of its worker: what is measured is the way there and back. */
export const echo = defineTask('echo', {
  input: z.object({ n: z.number(), text: z.string() }),
  output: z.object({ n: z.number() }),
})

/** @param {number} count */
export const echoInputs = (count) => Array.from({ length: count }, (_, n) => ({ n, text: 'x'.repeat(260) }))

/** @param {string} prefix @param {number} count */
export const echoTasks = (prefix, count) => echoInputs(count).map((input) => echo.task(`${prefix}-${input.n}`, input))
