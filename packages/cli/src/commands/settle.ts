import type { CommandInput } from '@reprise/core'
import type { ActAnswer } from '@reprise/core/replay'
import { z } from 'zod'
import { acting, actingDetails, actingOptions, refused } from '../act.js'
import { actedOf, actedShape } from '../acted-document.js'
import { type AnyCommand, defineCommand } from '../command.js'
import { usage } from '../command-failure.js'
import { actedText } from '../output/acted-text.js'
import { required } from '../read-required.js'
import { taskIdOf, wholeNumber } from '../read-values.js'

const schema = z.object({
  ...actedShape,
  tasks: z.array(
    z.object({
      taskId: z.string(),
      ok: z.boolean(),
      code: z.string().nullable().describe('why it was refused, for programs'),
      message: z.string().nullable(),
    }),
  ),
})

type Verb = 'accept' | 'reject' | 'retry' | 'cancel' | 'abandon'

const attemptOption = {
  attempt: { says: 'refuse if this is not the newest attempt of the task', value: 'N' },
} as const
const withReason = {
  reason: { says: 'why, for whoever reads the log (required)', value: 'TEXT' },
  ...attemptOption,
  ...actingOptions,
} as const
// Without one it is always undefined.
const withoutReason = { ...attemptOption, ...actingOptions } as typeof withReason

/** A command about tasks, one after the other. */
const ofTasks = (
  type: Verb,
  details: string,
  examples: readonly [{ readonly line: string; readonly says: string }],
): AnyCommand =>
  defineCommand({
    args: {
      RUN: { says: 'the id of the run', what: 'run' },
      TASK: { says: 'ids of tasks', what: 'task', many: true },
    },
    options: type === 'accept' ? withoutReason : withReason,
    details: `${details}

Several tasks are decided one after the other, each on its own: those that are refused are named, and the exit code is 4.
If all of them are, nothing was done and the first reason is the error.

${actingDetails}`,
    examples,
    output: 'document',
    schema,
    run: (context, { args, options }) => {
      const ids = [...new Set(args.TASK)].map(taskIdOf)
      const reason = type === 'accept' ? '' : required(options.reason, '--reason')
      const attempt = options.attempt === undefined ? {} : { attempt: wholeNumber(options.attempt, '--attempt', 1) }
      if (options.attempt !== undefined && ids.length > 1) throw usage('--attempt is for one task.')
      return acting(context, args.RUN, options, async (begun) => {
        const answers: ActAnswer[] = []
        for (const taskId of ids) {
          const command: CommandInput =
            type === 'accept' ? { type, taskId, ...attempt } : { type, taskId, reason, ...attempt }
          const answer = await begun.act(command).catch(async (error: unknown) => {
            const done = ids.filter((_, i) => answers[i]?.ok).map((id) => context.style.text(id))
            if (done.length > 0) await context.out.note(`done before this failed: ${done.join(', ')}`)
            throw error
          })
          answers.push(answer)
        }
        const [first] = answers
        if (answers.every(({ ok }) => !ok) && first?.ok === false) {
          throw await refused(context, begun.runId, type, first)
        }
        if (answers.some(({ ok }) => !ok)) context.exitWith('refused')
        const tasks = ids.map((taskId, i) => {
          const answer = answers[i]
          const why =
            answer?.ok === false ? { code: answer.code, message: answer.message } : { code: null, message: null }
          return { taskId, ok: answer?.ok === true, ...why }
        })
        return { ...actedOf(begun, answers), tasks }
      })
    },
    human: (value, style) => {
      const failures = value.tasks.filter(({ ok }) => !ok)
      const lines = failures.map(({ taskId, code, message }) =>
        style.ink('red', `refused ${style.text(taskId)} (${style.text(code)}): ${style.text(message)}`),
      )
      return [...lines, actedText(value, style)].join('\n')
    },
  })

export const accept = ofTasks(
  'accept',
  'Accepts the receipts that came back for these tasks; tasks that wait for them can go out then.',
  [{ line: 'accept digest-src file-1 file-2', says: 'take two results' }],
)
export const reject = ofTasks(
  'reject',
  'Refuses what came back: the task stops until it is retried, abandoned or cancelled.',
  [{ line: 'reject digest-src file-1 --reason "the count is wrong"', says: 'do not take it' }],
)
export const retry = ofTasks(
  'retry',
  'One more attempt of a task that has stopped, or whose receipt is not good enough, after the wait that the policy sets.',
  [{ line: 'retry digest-src file-1 --reason "the disk is back"', says: 'try it again' }],
)
export const cancel = ofTasks(
  'cancel',
  'Settles tasks that are not wanted any more; who works on them is told to stop. Tasks that need them are cancelled too.',
  [{ line: 'cancel digest-src file-9 --reason "removed upstream"', says: 'take a task back' }],
)
export const abandon = ofTasks('abandon', 'Settles tasks that cannot be done. Tasks that need them are cancelled.', [
  { line: 'abandon digest-src file-9 --reason "the file is damaged"', says: 'give a task up' },
])
