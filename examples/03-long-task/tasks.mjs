// The long task, as its origin states it, and the kinds of work that it is made of.
import { defineTask, runIdSchema } from '@reprise/core'
import { z } from 'zod'

export const runId = runIdSchema.parse('long-task')

/** What a session may have out at once: so small that the work needs several sessions. */
export const documentsPerSession = 8

/** @param {string} root folder of the documents @param {string} stateFile */
export const openingOf = (root, stateFile) => ({
  runId,
  goal: `Index the documents of ${root}`,
  successCriteria: [
    'every document was read',
    'every link from one document to another was followed',
    'there is an index that names every document',
  ],
  policy: { inFlightMax: documentsPerSession, attemptsMax: 2, retryBackoffMs: 100 },
  stateFile,
})

const count = z.number().int().min(0)
const documentSchema = z.object({
  path: z.string(),
  title: z.string(),
  lines: count,
  links: count,
  /** Links that lead nowhere. */
  broken: z.array(z.string()),
})
/** @typedef {z.output<typeof documentSchema>} Document */

export const listDocuments = defineTask('list-documents', {
  input: z.object({ root: z.string() }),
  output: z.object({ paths: z.array(z.string()) }),
})

export const readDocument = defineTask('read-document', {
  input: z.object({ root: z.string(), path: z.string() }),
  output: documentSchema,
})

/** The index is an artifact: the coordinator's side reads it again before it believes the receipt. */
export const writeIndex = defineTask('write-index', {
  input: z.object({ documents: z.array(documentSchema) }),
  output: z.object({ documents: count, sha256: z.string() }),
})

/** Whatever is in a path, a task id has no control characters. @param {string} path */
export const taskIdOf = (path) => `read ${encodeURI(path)}`
