import { resolve } from 'node:path'
import type { PolicyInput } from '@reprise/core'
import { openOnce } from '@reprise/core/replay'
import { z } from 'zod'
import { defineCommand } from '../command.js'
import { usage } from '../command-failure.js'
import { required } from '../read-required.js'
import { runIdOf } from '../read-values.js'

const schema = z.object({
  runId: z.string(),
  isNew: z.boolean().describe('false: it was there already, for the same goal; nothing was changed'),
  version: z.number(),
  epoch: z.number(),
  status: z.string(),
  token: z.string().nullable().describe('for the first command; null if the run was there already: take a briefing'),
})

export const open = defineCommand({
  args: { RUN: { says: 'the id of the run: letters, digits and . _ : @ -' } },
  options: {
    goal: { says: 'what the run is for (required)', value: 'TEXT' },
    criterion: { says: 'a success criterion; completing the run needs evidence for each', value: 'TEXT', many: true },
    policy: { says: 'a limit of the run, such as inFlightMax=16', value: 'NAME=VALUE', many: true },
    'state-file': { says: 'keep a Markdown file that says where the run stands', value: 'PATH', what: 'file' },
  },
  details: `Opens a run and lets it go again: other commands and programs act on it. The folder .reprise is made here if there is none
upwards. The same once more changes nothing; another goal, criterion or policy is refused, since the log keeps what the run
was opened with. Limits and their defaults are in the README of @reprise/core, under "Policy"; a value is JSON.`,
  examples: [
    {
      line: 'open digest-src --goal "digest every file" --criterion "no file is left" --policy inFlightMax=16',
      says: 'a run with one success criterion and at most 16 attempts out at once',
    },
  ],
  output: 'document',
  schema,
  run: async (context, { args, options }) => {
    const runId = runIdOf(args.RUN)
    const goal = required(options.goal, '--goal')
    const policy = policyOf(options.policy)
    const file = options['state-file']
    const adapter = await context.open({ to: 'create' })
    const { isNew, status, token } = await openOnce({
      ...{ adapter, runId, goal, signal: context.signal },
      // Criteria that are left out are not compared.
      ...(options.criterion.length > 0 && { successCriteria: options.criterion }),
      ...(policy !== undefined && { policy }),
      ...(file !== undefined && { stateFile: resolve(context.cwd, file) }),
    })
    return { runId, isNew, version: status.version, epoch: status.epoch, status: status.status, token }
  },
  human: ({ runId, isNew, version, status, token }, style) =>
    style.pairs([
      [isNew ? 'opened' : 'there already', style.ink('bold', style.text(runId))],
      ['status', `${style.status(status)} at version ${version}`],
      ...(token === null ? [] : [['token', token] as const]),
    ]),
})

function policyOf(texts: readonly string[]): PolicyInput | undefined {
  if (texts.length === 0) return undefined
  const policy: Record<string, unknown> = {}
  for (const text of texts) {
    const at = text.indexOf('=')
    if (at < 1) throw usage(`--policy takes NAME=VALUE, such as inFlightMax=16, not ${text}.`)
    try {
      policy[text.slice(0, at)] = JSON.parse(text.slice(at + 1))
    } catch {
      throw usage(`--policy ${text}: the value is not JSON. Write a number, true, false or null.`)
    }
  }
  // Names and values are checked where the run is opened.
  return policy as PolicyInput
}
