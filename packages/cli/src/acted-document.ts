import { type Changes, describeEvent, type RunEvent } from '@reprise/core'
import type { ActAnswer, Acting } from '@reprise/core/replay'
import { z } from 'zod'

const changesSchema = z
  .object({
    total: z.number().describe('events since the token was issued, those of this command included'),
    newest: z.array(z.object({ version: z.number(), at: z.string(), type: z.string(), text: z.string() })),
  })
  .nullable()
  .describe('null without a token')

/** What every acting command answers. */
export const actedShape = {
  runId: z.string(),
  how: z.enum(['executed', 'sent']).describe('`executed`: the run was taken for it. `sent`: its holder decided it'),
  version: z.number().nullable().describe('of the run with what was recorded; null: sent, and not waited for'),
  events: z
    .array(z.object({ type: z.string(), text: z.string() }))
    .describe('what was recorded from the decision to the answer; the newest 100'),
  eventsTotal: z.number(),
  takenUp: z
    .object({ epoch: z.number(), receipts: z.string().describe('what had come back while nobody held the run') })
    .nullable()
    .describe('null: the run was not taken'),
  cause: z
    .object({ sender: z.string(), seq: z.number() })
    .nullable()
    .describe('what the events that answer a sent command name as their cause'),
  changes: changesSchema,
  token: z.string().nullable().describe('for the next command of who has read `changes`; null without a token'),
}
export const actedSchema = z.object(actedShape)
export type Acted = z.output<typeof actedSchema>

const eventsMax = 100

/** The document of one or several answers to what was asked of one run. */
export function actedOf({ runId, takenUp }: Acting, answers: readonly ActAnswer[]): Acted {
  const events = answers.flatMap((answer) => (answer.ok ? answer.events : []))
  const last = answers.findLast(({ ok }) => ok) ?? answers.at(-1)
  const told = events.slice(-eventsMax).map((event: RunEvent) => ({ type: event.type, text: describeEvent(event) }))
  return {
    ...{ runId, how: last?.how ?? 'executed', version: last?.ok ? last.version : null },
    ...{ events: told, eventsTotal: events.length, takenUp: takenUp && { ...takenUp } },
    cause: last?.cause ? { ...last.cause } : null,
    changes: plainChanges(answers.at(-1)?.changes ?? null),
    token: answers.at(-1)?.token ?? null,
  }
}

export const plainChanges = (changes: Changes | null): Acted['changes'] =>
  changes && { total: changes.total, newest: changes.newest.map((change) => ({ ...change })) }
