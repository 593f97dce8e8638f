// What the coordinator asks for and what the worker knows how to do.
import { defineTask, runIdSchema } from '@reprise/core'
import { z } from 'zod'

/** The one run of this example. */
export const runId = runIdSchema.parse('words')

export const goal = 'Count the words of every Markdown document here, and say which is the longest.'
export const successCriteria = [
  'Every document that was listed has been counted.',
  'The longest one was counted once more, in another way, with the same result.',
]

/** Folders that are listed, each by a task of its own; `*` stands for every folder in it. */
export const folders = ['.', 'packages/*', 'docs']
/** The one whose list comes back late, so that the example can show a decision that has become stale. */
export const slowFolder = 'docs'

const path = z.string()
const words = z.number().int().min(0)

export const list = defineTask('list', {
  input: z.object({ folder: z.string() }),
  output: z.object({ documents: z.array(path) }),
})
export const count = defineTask('count', { input: z.object({ path }), output: z.object({ words }) })
export const check = defineTask('check', { input: z.object({ path }), output: z.object({ words }) })
