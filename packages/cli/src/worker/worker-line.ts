import { z } from 'zod'
import type { Style } from '../output/style.js'
import { duration } from '../output/times.js'

const attempt = { runId: z.string(), taskId: z.string(), attempt: z.number() }
const at = z.string().describe('ISO time, by the clock of this machine')

export const workerLineSchema = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('started'),
    at,
    workerId: z.string(),
    lanes: z.array(z.string()),
    kinds: z.array(z.string()),
    concurrency: z.number().describe('programs at once, at most, per lane'),
  }),
  z.object({ event: z.literal('claimed'), at, ...attempt, kind: z.string(), deadlineAt: z.string() }),
  z.object({
    event: z.literal('receipt'),
    at,
    ...attempt,
    status: z.enum(['completed', 'partial', 'failed', 'refused']),
    durationMs: z.number().nullable().describe('from the claim; null if no program was run'),
    message: z.string().nullable().describe('why it failed'),
  }),
  z.object({
    event: z.literal('given-back'),
    at,
    ...attempt,
    code: z.string().describe('ATTEMPT_WITHDRAWN (cancelled), CLAIM_LOST, TIMEOUT (deadline) or CLOSED'),
    message: z.string(),
  }),
  z.object({ event: z.literal('error'), at, code: z.string().nullable(), message: z.string() }),
  z.object({ event: z.literal('left-out'), at, lines: z.number().describe('nobody read them in time') }),
  z.object({
    event: z.literal('stopping'),
    at,
    running: z.number().describe('programs that it waits for'),
    drainMs: z.number().describe('how long'),
  }),
  z.object({
    event: z.literal('stopped'),
    at,
    why: z.enum(['once', 'idle', 'signal']),
    completed: z.number(),
    partial: z.number(),
    failed: z.number(),
    refused: z.number(),
    givenBack: z.number().describe('attempts that ended without a receipt of this program'),
  }),
])
export type WorkerLine = z.infer<typeof workerLineSchema>

export function workerText(line: WorkerLine, style: Style): string | null {
  const time = style.ink('dim', line.at.slice(11, 19))
  const said = (words: string): string => `${time}  ${words}`
  switch (line.event) {
    case 'started': {
      const { workerId, kinds, lanes, concurrency } = line
      const from = `${lanes.length === 1 ? 'lane' : 'lanes'} ${lanes.join(', ')}`
      return said(
        `worker ${style.ink('bold', style.text(workerId))} takes tasks of kind ${kinds.join(', ')} from ${from}, ${concurrency} at once`,
      )
    }
    case 'claimed':
      return said(`${attemptText(line, style)}  started`)
    case 'receipt': {
      const { status, durationMs, message } = line
      const took = durationMs === null ? '' : ` in ${duration(durationMs)}`
      const ink = status === 'completed' ? 'green' : status === 'partial' ? 'yellow' : 'red'
      const why = message === null ? '' : `: ${style.text(message)}`
      return said(`${attemptText(line, style)}  ${style.ink(ink, status)}${took}${why}`)
    }
    case 'given-back':
      return said(
        `${attemptText(line, style)}  ${style.ink('yellow', 'ended without a receipt of it')}: ${style.text(line.message)}`,
      )
    case 'error':
      return said(`${style.ink('red', 'error')} ${style.text(line.message)}`)
    case 'left-out':
      return said(`${line.lines} lines were left out: nobody read them in time`)
    case 'stopping': {
      const { running, drainMs } = line
      if (running === 0) return null
      const programs = `${running} ${running === 1 ? 'program' : 'programs'}`
      return said(`stopping: ${programs} may end within ${duration(drainMs)}; once more ends at once`)
    }
    case 'stopped': {
      const counts = (['completed', 'partial', 'failed', 'refused'] as const)
        .filter((name) => line[name] > 0)
        .map((name) => `${line[name]} ${name}`)
      const back = line.givenBack === 0 ? [] : [`${line.givenBack} without a receipt`]
      return said(`stopped (${whys[line.why]}): ${[...counts, ...back].join(', ') || 'nothing was done'}`)
    }
  }
}

const whys = { once: 'one task was enough', idle: 'nothing to do', signal: 'asked to' } as const

const attemptText = (of: { runId: string; taskId: string; attempt: number }, style: Style): string =>
  `${style.text(of.runId)} ${style.ink('bold', style.text(of.taskId))} #${of.attempt}`
