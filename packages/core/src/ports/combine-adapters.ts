import { RepriseError } from '../protocol/errors.js'
import type { Adapter, DiagnoseOptions, Diagnosis, Finding } from './adapter.js'

/** Which adapter does what. What is not named is done by the one that keeps the log. */
export interface AdapterParts {
  readonly log: Adapter
  readonly leases?: Adapter
  readonly queue?: Adapter
  readonly inbox?: Adapter
  /** One with an artifact store. */
  readonly artifacts?: Adapter
}

/**
 * One adapter out of several: the log in Redis and delivery over NATS, say, or artifacts in a shared folder. All
 * processes of a run must combine the same way: a worker that listens elsewhere is never found. The result owns its
 * parts: closing it closes each of them once. Every promise of a part holds for its port alone; `durable` is the log's.
 * Throws `INVALID_INPUT` if `artifacts` names an adapter without an artifact store.
 */
export function combineAdapters(parts: AdapterParts): Adapter {
  const { log, leases = log, queue = log, inbox = log, artifacts = log } = parts
  if (parts.artifacts !== undefined && artifacts.artifacts === undefined) {
    throw new RepriseError(
      'INVALID_INPUT',
      `The adapter "${artifacts.name}" that should keep artifacts has no artifact store: name one that has, or leave "artifacts" out.`,
      { details: { adapter: artifacts.name } },
    )
  }
  const members = [...new Set([log, leases, queue, inbox, artifacts])]
  const store = artifacts.artifacts
  return {
    name: [...new Set(members.map(({ name }) => name))].join('+'),
    log: log.log,
    leases: leases.leases,
    queue: queue.queue,
    inbox: inbox.inbox,
    ...(store === undefined ? {} : { artifacts: store }),
    // Beside the log: who may not write that may not write these.
    ...(log.snapshots === undefined ? {} : { snapshots: log.snapshots }),
    ...(log.history === undefined ? {} : { history: log.history }),
    ...(log.summaries === undefined ? {} : { summaries: log.summaries }),
    diagnose: (options) => diagnoseAll(members, log, inbox, options),
    close: () => closeAll(members),
  }
}

async function diagnoseAll(
  members: readonly Adapter[],
  log: Adapter,
  inbox: Adapter,
  options?: DiagnoseOptions,
): Promise<Diagnosis> {
  const found = await Promise.all(members.map((member) => member.diagnose(options)))
  const durableOf = (adapter: Adapter): Diagnosis['durable'] => found[members.indexOf(adapter)]?.durable ?? 'nothing'
  const findings = found.flatMap((diagnosis) =>
    diagnosis.findings.map((finding) => ({ ...finding, message: `${diagnosis.adapter}: ${finding.message}` })),
  )
  return {
    adapter: [...new Set(found.map(({ adapter }) => adapter))].join('+'),
    durable: durableOf(log),
    findings: [...findings, ...weakerInbox(log, durableOf(log), inbox, durableOf(inbox))],
  }
}

const strength: readonly Diagnosis['durable'][] = ['nothing', 'process', 'os', 'failover']

/** A receipt rests in the inbox until the log has it: what it survives until then matters too. */
function weakerInbox(
  log: Adapter,
  ofLog: Diagnosis['durable'],
  inbox: Adapter,
  ofInbox: Diagnosis['durable'],
): Finding[] {
  if (strength.indexOf(ofInbox) >= strength.indexOf(ofLog)) return []
  return [
    {
      name: 'inbox-weaker-than-log',
      level: 'warning',
      message: `A receipt survives "${ofInbox}" in the inbox (${inbox.name}) until it is in the log (${log.name}), which survives "${ofLog}". One that is lost on the way is asked for again after its attempt's deadline.`,
      remedy: `Raise the durability of ${inbox.name}, or keep the inbox with the log.`,
    },
  ]
}

/** All of them, whatever one says; then the first failure. */
async function closeAll(members: readonly Adapter[]): Promise<void> {
  const outcomes = await Promise.allSettled(members.map((member) => member.close()))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}
