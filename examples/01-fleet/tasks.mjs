// What the coordinator asks for and what the workers know how to do: shared by both, and by whoever checks them.
import { defineTask, runIdSchema } from '@reprise/core'
import { z } from 'zod'

/** Worker processes are known by their process id: all of them are on this machine. @param {number} pid */
export const workerIdOf = (pid) => `worker-${pid}`

/** The one run of this example. */
export const runId = runIdSchema.parse('fleet')

const count = z.number().int().min(0)
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)

/** Lines end in a line feed, the last one perhaps in nothing; `longestLine` is in bytes, without its line feed. */
const figuresSchema = z.object({ bytes: count, lines: count, longestLine: count, sha256 })
/** @typedef {z.output<typeof figuresSchema>} Figures */

/** Reads one file. Paths that are not UTF-8 travel as base64. */
export const measureFile = defineTask('measure-file', {
  input: z.object({ path: z.string(), encoding: z.enum(['utf8', 'base64']) }),
  /** `deliveries` is above 1 if a worker died with the file in its hands. */
  output: figuresSchema.extend({ deliveries: z.number().int().min(1) }),
})

const summarySchema = z.object({
  type: z.string(),
  files: count,
  bytes: count,
  lines: count,
  longestLine: count,
  /** Over the accepted figures of all files of the type: see `digestOf` in summarise-types. */
  digest: sha256,
})
/** @typedef {z.output<typeof summarySchema>} Summary */

/** Puts what is known of one file type into an artifact. */
export const summariseType = defineTask('summarise-type', {
  input: summarySchema,
  output: z.object({ artifact: sha256 }),
})

/** Task ids of this kind begin so; those of files never do. */
export const typePrefix = 'type:'

/** What no gate can know: whether the figures can be true of any file. @param {Figures} figures */
export const isPlausible = ({ bytes, lines, longestLine }) => lines <= bytes && longestLine <= bytes
