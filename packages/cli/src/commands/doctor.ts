import { type Adapter, type Diagnosis, type Finding, isRepriseError } from '@reprise/core'
import { backendRoles, measureLatencies, probeRights } from '@reprise/core/replay'
import { z } from 'zod'
import { readAddress, withoutSecrets } from '../address.js'
import { type Context, defineCommand } from '../command.js'
import type { Style } from '../output/style.js'
import { wrapped } from '../output/wrap.js'
import { processFindings } from '../process-findings.js'

const findingSchema = z.object({
  part: z.enum(['backend', 'latency', 'rights', 'process']),
  name: z.string().describe('stable: programs match it'),
  level: z.enum(['ok', 'warning', 'problem']),
  message: z.string(),
  remedy: z.string().nullable(),
  figures: z
    .record(z.string(), z.union([z.number(), z.string()]))
    .nullable()
    .describe('the unit is in the name'),
})
type Told = z.output<typeof findingSchema>

const schema = z.object({
  place: z.string(),
  adapter: z.string().nullable().describe('null: it refused to open'),
  durable: z.enum(['nothing', 'process', 'os', 'failover']).nullable().describe('what a reported commit survives'),
  guarantee: z.string(),
  role: z.enum(backendRoles),
  measured: z.boolean(),
  findings: z.array(findingSchema),
})

export const doctor = defineCommand({
  args: { ADDRESS: { says: 'a folder, redis://… or nats://…; default: as --at', what: 'url', optional: true } },
  options: {
    role: { says: 'whose rights are tried; default: coordinator', value: 'ROLE', oneOf: backendRoles },
    'no-measure': { says: 'measure nothing: what is written is a lease of one second, to try rights' },
  },
  details: `
Says what the backend really guarantees with its present settings, how long things take, how far the clocks are apart, which
settings and versions are traps, what this user may not do, and what of this process and machine will be in the way. Each
finding comes with how to mend it. Ends with 1 if there is a problem, with 5 if the backend does not answer.

Measuring takes about a second. On files and Redis it makes a run doctor-scratch-…, closed from its first commit on, and
removes it; if this process is killed meanwhile, the next doctor removes it, after a minute. On Redis a note that it was
removed stays for 30 days, as of every run. From a NATS log nothing can be
removed, so there a key that every lease uses is published to instead.

Rights are tried on a run that does not exist. Of a coordinator and a worker that is a lease of one second as well, always under
the same name, and given back: on NATS an empty message stays of it for a day.`,
  examples: [
    { line: 'doctor', says: 'the backend of --at' },
    { line: 'doctor redis://10.0.0.5 --role worker', says: 'as a worker would, from this machine' },
    { line: 'doctor --no-measure --json', says: 'for a monitor' },
  ],
  output: 'document',
  schema,
  run: async (context, { args, options }) => {
    const place = args.ADDRESS === undefined ? context.place : withoutSecrets(args.ADDRESS)
    const role = backendRoles.find((each) => each === options.role) ?? 'coordinator'
    const measured = !options['no-measure']
    const head = { place, role, measured }
    const opened = await openOrRefusal(context, args.ADDRESS)
    if ('refusal' in opened) {
      context.exitWith('problem')
      const findings = [...told('backend', [opened.refusal]), ...told('process', await processFindings(false))]
      return { ...head, adapter: null, durable: null, guarantee: opened.refusal.message, findings }
    }
    const { adapter } = opened
    const { adapter: name, durable, findings: backend } = await adapter.diagnose({ measure: measured })
    const rights = await probeRights(adapter, role)
    // Nothing can be removed from a log on NATS; and who may not append measures nothing.
    const isRight = rights.every(({ level }) => level !== 'problem')
    const isNats = readAddress(args.ADDRESS ?? context.addresses.at).kind === 'nats'
    const canMeasure = measured && role === 'coordinator' && isRight && !isNats
    const findings = [
      ...told('backend', backend),
      ...told('latency', canMeasure ? await measureLatencies(adapter) : []),
      ...told('rights', rights),
      ...told('process', await processFindings(name.split('+').includes('files'))),
    ]
    if (findings.some(({ level }) => level === 'problem')) context.exitWith('problem')
    return { ...head, adapter: name, durable, guarantee: guarantees[durable], findings }
  },
  human: (value, style) => {
    const groups = (['problem', 'warning', 'ok'] as const).map((level) => groupOf(level, value.findings, style))
    return [
      wrapped(style, `${style.ink('bold', style.text(value.place))}  ${style.text(value.guarantee)}`),
      ...groups.filter((group) => group !== ''),
    ].join('\n\n')
  },
})

const guarantees: Readonly<Record<Diagnosis['durable'], string>> = {
  nothing: 'A reported commit survives nothing: not even the end of the process that keeps it.',
  process: 'A reported commit survives the end of every process, the server included; not a crash of its machine.',
  os: 'A reported commit survives a crash of the machine; not the loss of its disk.',
  failover: 'A reported commit survives the loss of a machine.',
}

/** Settings under which an adapter does not open are what somebody asks a doctor about. */
async function openOrRefusal(
  context: Context,
  address: string | undefined,
): Promise<{ adapter: Adapter } | { refusal: Finding }> {
  try {
    return { adapter: await (address === undefined ? context.open() : context.openAt(address)) }
  } catch (error) {
    if (!isRepriseError(error, 'UNSAFE_SERVER') && !isRepriseError(error, 'UNSAFE_FILE_SYSTEM')) throw error
    const name = error.code === 'UNSAFE_SERVER' ? 'unsafe-server' : 'unsafe-file-system'
    return { refusal: { name, level: 'problem', message: error.message } }
  }
}

const told = (part: Told['part'], findings: readonly Finding[]): Told[] =>
  findings.map(({ name, level, message, remedy, figures }) => ({
    ...{ part, name, level, message },
    remedy: remedy ?? null,
    figures: figures === undefined ? null : { ...figures },
  }))

const inks = { problem: 'red', warning: 'yellow', ok: 'green' } as const
const titles = { problem: 'To mend', warning: 'To know', ok: 'Fine' } as const

function groupOf(level: Told['level'], findings: readonly Told[], style: Style): string {
  const wanted = findings.filter((finding) => finding.level === level)
  if (wanted.length === 0) return ''
  const lines = wanted.flatMap(({ name, message, remedy }) => [
    wrapped(style, `${style.ink('bold', style.text(name))}: ${style.text(message)}`, '  ', 4),
    ...(remedy === null ? [] : [wrapped(style, style.text(remedy), `    ${style.ink('dim', '→')} `)]),
  ])
  return [style.ink(inks[level], titles[level]), ...lines].join('\n')
}
