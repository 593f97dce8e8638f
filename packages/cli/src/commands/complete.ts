import { isRepriseError, loadRun } from '@reprise/core'
import { z } from 'zod'
import { acting, actingDetails, actingOptions, refused } from '../act.js'
import { type Acted, actedOf, actedShape } from '../acted-document.js'
import { defineCommand } from '../command.js'
import { CommandFailure, usage } from '../command-failure.js'
import { actedText } from '../output/acted-text.js'
import { required } from '../read-required.js'
import { criterionOf } from './criterion.js'

const schema = z.object({
  ...actedShape,
  summary: z.string().nullable().describe('null: sent, and not waited for'),
  checklist: z
    .array(z.object({ item: z.string(), pass: z.boolean(), evidence: z.string() }))
    .describe('what was checked before the run was called complete'),
})

export const complete = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run' } },
  options: {
    summary: { says: 'what was reached (required)', value: 'TEXT' },
    evidence: {
      says: 'evidence for a success criterion that has none yet, by its number',
      value: 'N=TEXT',
      many: true,
    },
    ...actingOptions,
  },
  details: `Ends the run well, and shows what was checked for that. Refused while a task is unsettled or a success criterion has
no evidence. A run that is complete already stays as it is, which is no error.\n\n${actingDetails}`,
  examples: [
    { line: 'complete digest-src --summary "every file digested" --evidence "1=120 of 120"', says: 'end the run well' },
  ],
  output: 'document',
  schema,
  run: (context, { args, options }) => {
    const command = {
      ...{ type: 'complete' as const, summary: required(options.summary, '--summary') },
      evidence: options.evidence.map(evidenceOf),
    }
    return acting(context, args.RUN, options, async (begun) => {
      const answer = await begun.act(command).catch((error: unknown) => {
        // Sending says so before anything is sent.
        if (isRepriseError(error, 'RUN_CLOSED')) return null
        throw error
      })
      if (answer?.ok) {
        const completed = answer.events.find((event) => event.type === 'run-completed')?.data
        const ended = { summary: completed?.summary ?? null, checklist: [...(completed?.checklist ?? [])] }
        return { ...actedOf(begun, [answer]), ...ended }
      }
      const { log, snapshots } = await context.open({ to: 'write' })
      const { state } = await loadRun(log, begun.runId, { snapshots })
      if (state.status === 'complete') {
        const acted: Acted = { ...actedOf(begun, answer === null ? [] : [answer]), version: state.version }
        return { ...acted, summary: state.closing, checklist: [...(state.checklist ?? [])] }
      }
      if (answer !== null) throw await refused(context, begun.runId, 'complete', answer)
      const message = `Run ${begun.runId} has ended, and not well: ${state.closing}. Open a new run.`
      throw new CommandFailure('refused', 'RUN_CLOSED', message, { runId: begun.runId })
    })
  },
  human: (value, style) => {
    const checks = value.checklist.map(({ item, pass, evidence }) => {
      const mark = pass ? style.ink('green', 'pass') : style.ink('red', 'FAIL')
      return `${mark}  ${style.text(item)}: ${style.text(evidence)}`
    })
    return [...checks, actedText(value, style)].join('\n')
  },
})

function evidenceOf(text: string): { criterion: number | string; evidence: string } {
  const at = text.indexOf('=')
  if (at < 1) throw usage(`--evidence takes N=TEXT, such as "1=120 of 120 files", not ${text}.`)
  return { criterion: criterionOf(text.slice(0, at)), evidence: text.slice(at + 1) }
}
