import { type Incident, startWatchdog, type Watchdog } from '@reprise/core'
import { z } from 'zod'
import { defineCommand } from '../command.js'
import { usage } from '../command-failure.js'
import { linesWhile } from '../lines-while.js'
import { seconds } from '../read-durations.js'
import { runIdOf, wholeNumber } from '../read-values.js'

const schema = z.object({
  type: z
    .enum(['active', 'standby', 'incident', 'told', 'over', 'error'])
    .describe('`incident`: found. `told`: --notify has succeeded. `over`: it ended before it was told'),
  at: z.string(),
  message: z.string(),
  incident: z
    .looseObject({ kind: z.string(), key: z.string(), runId: z.string(), message: z.string() })
    .nullable()
    .describe('plain JSON: `Incident` of @reprise/core'),
})
type Line = z.output<typeof schema>

export const watchdog = defineCommand({
  args: { RUN: { says: 'ids of runs; default: all', optional: true, many: true, what: 'run' } },
  options: {
    notify: { says: 'a command for sh that tells one incident; exit code 0 says that it was told', value: 'COMMAND' },
    prefix: { says: 'only runs whose ids begin like this', value: 'TEXT' },
    id: { says: 'the run in which incidents are kept (default watchdog)', value: 'ID' },
    interval: { says: 'between two looks (default 10)', value: 'SECONDS' },
    'stalled-after': { says: 'an attempt without a sign for so long is stalled (default 300)', value: 'SECONDS' },
    'notify-timeout': { says: 'what one notification may take (default 60)', value: 'SECONDS' },
    'runs-per-look': { says: 'so many runs are looked at at once (default 1000)', value: 'N' },
    'attempts-per-look': { says: 'so many attempts of a run are asked for at once (default 32)', value: 'N' },
    'call-timeout': { says: 'what one call to the backend may take (default 10)', value: 'SECONDS' },
    'lease-ttl': { says: 'a watchdog silent for so long is replaced (default 10)', value: 'SECONDS' },
  },
  details: `Watches runs from outside until Ctrl-C: dead coordinators, attempts that are stalled or overdue, overdue checkpoints,
messages that nobody takes in. One line for each incident, told once across restarts and several watchdogs, which share the
work. It keeps its incidents in a run of its own and changes no other.

--notify is started with sh for each incident, which is JSON on its standard input and in REPRISE_INCIDENT; if it fails it is
started again, after a second at first, a minute at last. Without it, a line on standard output is the notification.`,
  examples: [
    { line: 'watchdog', says: 'print every incident of every run' },
    { line: 'watchdog digest-src --notify ./page-somebody', says: 'start a program for each, for one run' },
  ],
  output: 'lines',
  schema,
  async *run(context, { args, options }) {
    if (args.RUN.length > 0 && options.prefix !== undefined) throw usage('Give ids of runs, or --prefix, not both.')
    const runs = args.RUN.length > 0 ? args.RUN.map(runIdOf) : { prefix: options.prefix ?? '' }
    const lengths = {
      ...ms('intervalMs', options.interval, '--interval'),
      ...ms('stalledAfterMs', options['stalled-after'], '--stalled-after'),
      ...ms('notifyTimeoutMs', options['notify-timeout'], '--notify-timeout'),
      ...ms('callTimeoutMs', options['call-timeout'], '--call-timeout'),
      ...ms('leaseTtlMs', options['lease-ttl'], '--lease-ttl'),
      ...count('runsPerLookMax', options['runs-per-look'], '--runs-per-look', 100_000),
      ...count('attemptsPerLookMax', options['attempts-per-look'], '--attempts-per-look', 10_000),
    }
    const adapter = await context.open({ to: 'write' })
    yield* linesWhile<Line>(async (tell) => {
      const line = (type: Line['type'], message: string, incident: Incident | null = null): Promise<void> =>
        tell({ type, at: new Date().toISOString(), message, incident: incident && { ...incident } })
      const failed = (error: unknown): void =>
        void line('error', String((error as Error)?.message ?? error)).catch(() => {})
      const { notify } = options
      const dog = await startWatchdog({
        ...{ adapter, runs, ...lengths, signal: context.signal, onError: failed },
        ...(options.id !== undefined && { watchdogId: options.id }),
        // Told once the line was written.
        ...(notify === undefined
          ? { onIncident: (incident: Incident) => line('incident', incident.message, incident) }
          : { command: ['sh', '-c', notify] }),
      })
      await watch(dog, context.signal, line, notify !== undefined)
    })
  },
  human: ({ type, at, message, incident }, style) => {
    const kind = type === 'incident' ? style.ink('red', style.text(incident?.kind)) : style.ink('dim', type)
    return `${style.ink('dim', at)}  ${kind}  ${style.text(message)}`
  },
})

/** Until it is told to stop, or cannot go on. */
function watch(
  dog: Watchdog,
  signal: AbortSignal,
  line: (type: Line['type'], message: string, incident?: Incident | null) => Promise<void>,
  isTold: boolean,
): Promise<void> {
  const said = (type: Line['type'], message: string, incident?: Incident): void =>
    void line(type, message, incident).catch(() => dog.close())
  return new Promise((resolve, reject) => {
    dog.on('stopped', reject)
    dog.on('active', () => said('active', `${dog.id} watches`))
    dog.on('standby', () => said('standby', `another watchdog than this one holds ${dog.id}: waiting`))
    dog.on('over', (incident) => said('over', incident.message, incident))
    if (isTold) {
      dog.on('raised', (incident) => said('incident', incident.message, incident))
      dog.on('told', (incident) => said('told', incident.message, incident))
    }
    const stop = (): void => void dog.close().then(resolve, reject)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

const ms = <Name extends string>(name: Name, text: string | undefined, option: string): { [K in Name]?: number } =>
  text === undefined ? {} : ({ [name]: seconds(text, option) } as { [K in Name]: number })

const count = <Name extends string>(
  name: Name,
  text: string | undefined,
  option: string,
  most: number,
): { [K in Name]?: number } =>
  text === undefined ? {} : ({ [name]: wholeNumber(text, option, 1, most) } as { [K in Name]: number })
