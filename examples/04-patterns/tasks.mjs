// What the coordinator asks for and what the worker knows how to do.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { defineTask, runIdSchema } from '@reprise/core'
import { z } from 'zod'

export const runId = runIdSchema.parse('patterns')

const count = z.number().int().min(0)
const wordCounts = z.record(z.string(), count)

/** Counts the lines of files. */
export const countLines = defineTask('count-lines', {
  input: z.object({ paths: z.array(z.string()) }),
  output: z.object({ lines: count }),
})

/** Looks for a number whose sha256 begins with so many zeros, upwards from `from`. */
export const searchHash = defineTask('search-hash', {
  input: z.object({ from: count, zeros: z.number().int().min(1).max(8) }),
  output: z.object({ found: count, sha256: z.string() }),
})

/** How often each word of a file occurs. */
export const countWords = defineTask('count-words', {
  input: z.object({ path: z.string() }),
  output: z.object({ counts: wordCounts }),
})

/** The word that occurs most often. */
export const rankWords = defineTask('rank-words', {
  input: z.object({ counts: wordCounts }),
  output: z.object({ word: z.string(), times: count }),
})

/** Whether a number is prime. */
export const testPrime = defineTask('test-prime', {
  input: z.object({ n: z.number().int().min(2) }),
  output: z.object({ isPrime: z.boolean() }),
})

/** @param {number} n */
export const sha256Of = (n) => createHash('sha256').update(String(n)).digest('hex')

/** @param {readonly string[]} paths */
export const linesIn = (paths) =>
  paths.reduce((sum, path) => sum + readFileSync(path, 'utf8').split('\n').length - 1, 0)
