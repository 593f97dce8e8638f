import type { Adapter, Finding } from '../ports/adapter.js'
import type { Runtime } from '../ports/runtime.js'
import { isRepriseError } from '../protocol/errors.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import { systemRuntime } from '../runtime/system-runtime.js'
import { scratchPrefix } from './measure-latencies.js'

/** Who uses a backend. `reader`: looks at logs, leases and queues, and changes nothing. */
export const backendRoles = ['coordinator', 'worker', 'reader'] as const
export type BackendRole = (typeof backendRoles)[number]

type Try = (adapter: Adapter, scratch: Scratch) => Promise<unknown>

interface Scratch {
  /** A run that there is not. */
  readonly runId: RunId
  readonly holder: { readonly id: string; readonly host: string; readonly pid: number }
}

const leaseTtlMs = 1_000
const noArtifact = { path: `sha256/00/${'0'.repeat(64)}`, sha256: '0'.repeat(64), bytes: 1 }

/** Helps a reader to say where a task is stuck; not every adapter gives a reader that right. */
const inQueue = 'find attempts in the queue'

const reading: Readonly<Record<string, Try>> = {
  'list runs': ({ log }) => firstOf(log.list()),
  'read logs': async ({ log }, { runId }) => {
    await log.head(runId)
    await firstOf(log.read(runId))
  },
  'see who holds leases': ({ leases }) => firstOf(leases.holders('run/')),
  'look into inboxes': ({ inbox }, { runId }) => inbox.peek(runId, 1),
  [inQueue]: ({ queue }, { runId }) => queue.locate(runId, 'doctor' as TaskId, 1),
}

const holding = (kind: 'run' | 'worker'): Try => {
  return async ({ leases }, { runId, holder }) => {
    const lease = await leases.acquire(`${kind}/${runId}`, holder, leaseTtlMs)
    if (lease.held) await leases.release(lease)
  }
}

/** What can be tried without doing anybody's work: on a run that there is not. */
const tries: Readonly<Record<BackendRole, Readonly<Record<string, Try>>>> = {
  reader: reading,
  coordinator: {
    ...reading,
    'hold a run': holding('run'),
    'take attempts back': ({ queue }, { runId }) => queue.withdraw(runId, 'doctor' as TaskId, 1),
    'read snapshots': ({ snapshots }, { runId }) => firstOf(snapshots?.load(runId) ?? nothing()),
  },
  worker: {
    'look for artifacts': ({ artifacts }) => artifacts?.check(noArtifact, 1) ?? Promise.resolve(),
    // On NATS the queue itself tells who is alive, and workers have no right to leases.
    'show that it is alive': async (adapter, scratch) => {
      if (!adapter.name.includes('nats')) await holding('worker')(adapter, scratch)
    },
  },
}

const untried: Readonly<Record<BackendRole, string>> = {
  reader: '',
  coordinator: ' Offering tasks and receiving messages were not tried.',
  worker: ' Taking tasks, sending receipts and storing artifacts were not tried: only a worker can.',
}

/**
 * Tries what a role needs, as the user whose connection this is, and says what is refused. It is tried on a run that there
 * is not; what is written is a lease of one second, given back. It has the same name each time: where leases leave
 * something behind, as on NATS for a day, it is one message.
 */
export async function probeRights(
  adapter: Adapter,
  role: BackendRole,
  runtime: Pick<Runtime, 'randomId' | 'host' | 'pid'> = systemRuntime,
): Promise<Finding[]> {
  const holder = { id: `doctor-${runtime.randomId()}`, host: runtime.host, pid: runtime.pid }
  const scratch = { runId: `${scratchPrefix}rights` as RunId, holder }
  const findings: Finding[] = []
  for (const [what, attempt] of Object.entries(tries[role])) {
    const refusal = await refusalOf(() => attempt(adapter, scratch))
    if (refusal !== null) findings.push(missing(role, what, refusal))
  }
  if (findings.length > 0) return findings
  const may = Object.keys(tries[role]).join(', ')
  return [{ name: 'rights', level: 'ok', message: `This user may do what a ${role} needs: ${may}.${untried[role]}` }]
}

const missing = (role: BackendRole, what: string, why: string): Finding =>
  role === 'reader' && what === inQueue ? notTold(why) : must(role, what, why)

const notTold = (why: string): Finding => ({
  name: 'rights',
  level: 'warning',
  message: `This user may not ${inQueue}: what waits there, and for whom, is not told. ${why}`,
  remedy: 'Ask as a coordinator when a task is stuck in the queue.',
})

const must = (role: BackendRole, what: string, why: string): Finding => ({
  name: 'rights',
  level: 'problem',
  message: `A ${role} must ${what}, and this user may not: ${why}`,
  remedy: `Give this user the rights of a ${role}: the README of the adapter lists them.`,
})

/** `null`: it may. What fails for another reason than rights is thrown. */
async function refusalOf(attempt: () => Promise<unknown>): Promise<string | null> {
  try {
    await attempt()
    return null
  } catch (error) {
    if (isRepriseError(error, 'RUN_UNKNOWN')) return null
    const isRefusal =
      isRepriseError(error) && (error.code === 'INVALID_INPUT' || refusedBy(error.details, error.message))
    if (!isRefusal) throw error
    return error.message
  }
}

/** NATS says so as a failure of the request, files as one of the system call. */
const refusedBy = ({ kind, systemCode }: Readonly<Record<string, unknown>>, message: string): boolean =>
  kind === 'forbidden' ||
  ['EACCES', 'EPERM', 'EROFS'].includes(String(systemCode)) ||
  /permissions? violation|not permitted/i.test(message)

async function firstOf(source: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of source) return
}

async function* nothing(): AsyncGenerator<never> {}
