import { z } from 'zod'
import type { Style } from './output/style.js'

/** What commands that move logs say about one. */
export const logSummaryShape = {
  runId: z.string(),
  commits: z.number(),
  version: z.number().describe('number of events'),
  head: z.string().describe('hash of the newest commit'),
  open: z.boolean().describe('whether the run can go on'),
} as const

type Summary = z.output<z.ZodObject<typeof logSummaryShape>>

export const summaryPairs = (value: Summary, style: Style): (readonly [string, string])[] => [
  ['run', style.ink('bold', style.text(value.runId))],
  ['log', `${value.commits} commits, version ${value.version}${value.open ? ', open' : ', ended'}`],
  ['head', value.head],
]
