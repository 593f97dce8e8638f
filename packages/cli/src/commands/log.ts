import { describeEvent, type EventType, eventDataSchemas, type RunEvent } from '@reprise/core'
import { readEvents } from '@reprise/core/replay'
import { z } from 'zod'
import { defineCommand } from '../command.js'
import { usage } from '../command-failure.js'
import { eventLine } from '../output/event-line.js'
import { pointOf } from '../read-point.js'
import { runIdOf, taskIdOf, unknownRun, wholeNumber } from '../read-values.js'

const lastMax = 100_000

const schema = z.object({
  version: z.number().describe('the run has so many events with this one'),
  index: z.number().describe('of its commit, from 0'),
  at: z.string().describe('ISO time of the commit, on the clock of its coordinator'),
  actor: z.string().describe('who wrote the commit'),
  epoch: z.number().describe('fencing token of the commit'),
  type: z.string(),
  data: z.record(z.string(), z.unknown()).describe('as ARCHITECTURE.md and the library have it for this type'),
  cause: z
    .object({ sender: z.string(), seq: z.number(), more: z.literal(true).optional() })
    .nullable()
    .describe('the inbox message that it answers'),
})

export const log = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run' } },
  options: {
    follow: { says: 'go on with what comes, until Ctrl-C or the end of the run', short: 'f' },
    type: { says: 'only events of this type', value: 'TYPE', many: true },
    task: { says: 'only events about this task', value: 'TASK', many: true, what: 'task' },
    since: { says: "begin there: a version, a time, or how long ago, like '10 min'", value: 'POINT' },
    until: { says: 'end there: a version, a time, or how long ago', value: 'POINT' },
    last: { says: 'only the newest so many of those', value: 'N', short: 'n' },
    full: { says: 'nothing cut off, and the data of each event under it' },
  },
  details: `One line per event: version, time (UTC), commit, who wrote it, type, and a sentence. Changes nothing.

What is read is checked: every commit against its hash and against the one before it, so that no event is missed and none
comes twice. With --since or --last reading begins near that place, at a commit that is checked against its own hash only:
what lies before it is not looked at (reprise verify looks at all of it). Times are those of the coordinators' clocks, and
taken to grow along the log: --since TIME begins at the first commit at or behind TIME, --until TIME ends before the first
behind it.

--follow ends by itself behind the event that closes the run; on a run that is closed it ends at once. It sees through
take-overs, and waits while a server is away. Whoever reads slowly holds it back: nothing is piled up in memory.

Types: ${Object.keys(eventDataSchemas).sort().join(', ')}.`,
  examples: [
    { line: 'log digest-src --follow', says: 'what happens, as it happens' },
    { line: 'log digest-src --last 20 --type receipt-rejected', says: 'the newest refused receipts' },
    { line: "log digest-src --since '10 min' --task src/a.ts", says: 'what became of a task lately' },
    { line: 'log digest-src --json | jq .data', says: 'for programs: one JSON document per line' },
  ],
  output: 'lines',
  schema,
  async *run(context, { args, options }) {
    const runId = runIdOf(args.RUN)
    const nowMs = Date.now()
    const point = (name: 'since' | 'until') =>
      options[name] === undefined ? undefined : pointOf(options[name], `--${name}`, nowMs)
    const last = options.last === undefined ? undefined : wholeNumber(options.last, '--last', 1, lastMax)
    const wanted = {
      ...{ since: point('since'), until: point('until'), last },
      types: options.type.length === 0 ? undefined : new Set(options.type.map(typeOf)),
      tasks: options.task.length === 0 ? undefined : new Set<string>(options.task.map(taskIdOf)),
      follow: options.follow ? context.signal : undefined,
    }
    const adapter = await context.open()
    const events = await readEvents(adapter.log, runId, wanted)
    if (events === null) throw unknownRun(runId, context.place)
    for await (const event of events) yield { ...event, data: { ...event.data } }
    if (options.follow && !context.signal.aborted && wanted.until === undefined) {
      await context.out.note(`Run ${runId} is closed: nothing follows.`)
    }
  },
  human: ({ version, index, at, actor, type, data }, style, { options }) => {
    const event = { type, v: 1, data } as RunEvent
    const line = eventLine({ version, index, at, actor, type, sentence: describeEvent(event) }, style, options.full)
    return options.full ? `${line}\n${indented(data, style.text)}` : line
  },
})

function typeOf(text: string): EventType {
  if (Object.hasOwn(eventDataSchemas, text)) return text as EventType
  throw usage(`There is no event type ${text}. The types are listed by: reprise log --help.`)
}

const indented = (data: unknown, shown: (line: string) => string): string =>
  JSON.stringify(data, null, 2)
    .split('\n')
    .map((line) => `        ${shown(line)}`)
    .join('\n')
