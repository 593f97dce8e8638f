import { oneLine } from '../protocol/one-line.js'
import type { AttemptFacts, MessagePlace, RefusedReceipt, TaskHistory } from './task-history.js'

/** From the plan to the end, in order. */
export const chainLinkNames = [
  'planned',
  'dispatched',
  'offered',
  'claimed',
  'receipt-sent',
  'recorded',
  'acknowledged',
  'settled',
] as const
export type ChainLinkName = (typeof chainLinkNames)[number]

/** One step of an attempt on its way. `unknown`: nobody who could tell was there, or may be asked. */
export interface ChainLink {
  readonly link: ChainLinkName
  readonly state: 'done' | 'missing' | 'unknown'
  /** ISO time, if it is known. */
  readonly at: string | null
  /** Of the run with the event that shows it. */
  readonly version: number | null
  /** By its own account. */
  readonly workerId: string | null
  /** The receipt's place in the inbox: where it lies, or lay. */
  readonly message: MessagePlace | null
  /** What shows the state, in one sentence. Texts in it come from outside, shown on one line. */
  readonly evidence: string
}

/** Where the queue says that an attempt is. `unasked`: it did not answer. */
export type QueueSight =
  | { readonly at: 'queued'; readonly deliveries: number }
  | {
      readonly at: 'claimed'
      readonly workerId: string
      readonly deliveries: number
      readonly since?: string
      readonly heartbeatAt?: string
    }
  | { readonly at: 'unknown' }
  | { readonly at: 'unasked'; readonly why: string }

/** What lies in the inbox about the newest attempt. */
export type InboxSight =
  | {
      readonly seen: true
      /** A receipt of the attempt that no gate which needs nothing but the log would stop. */
      readonly receipt: (MessagePlace & { readonly worker: string; readonly finishedAt: string }) | null
      /** Another one that says it is of this attempt, and which gate will stop it. */
      readonly unfit: (MessagePlace & { readonly gate: string; readonly evidence: string }) | null
      /** The message that the log has recorded as the receipt is there still. */
      readonly holdsRecorded: boolean
      /** Everything in it was seen. */
      readonly whole: boolean
    }
  | { readonly seen: false; readonly why: string }

/**
 * The refusal in which the attempt has ended, if it is certain that nothing else is on its way: while the queue holds the
 * attempt, whoever has it, or gets it, sends another receipt.
 */
export function endedInRefusal(facts: AttemptFacts, queue: QueueSight, inbox: InboxSight): RefusedReceipt | null {
  const isSeen = inbox.seen && inbox.whole && inbox.receipt === null && queue.at === 'unknown'
  return isSeen && facts.recorded === null ? facts.refused : null
}

/** Characters of an error's message that are shown. */
const whyMax = 300

type Finding = Partial<Omit<ChainLink, 'link' | 'evidence'>> & Pick<ChainLink, 'state' | 'evidence'>

/** The links of the newest attempt. What a later link shows, an earlier one does not put in doubt. */
export function chainLinks(history: TaskHistory, facts: AttemptFacts, queue: QueueSight, inbox: InboxSight) {
  const refused = endedInRefusal(facts, queue, inbox)
  const findings: Record<ChainLinkName, Finding> = {
    planned: plannedLink(facts),
    dispatched: dispatchedLink(facts),
    offered: offeredLink(facts, queue),
    claimed: claimedLink(queue, refused),
    'receipt-sent': sentLink(facts, refused, inbox),
    recorded: recordedLink(facts, refused),
    acknowledged: acknowledgedLink(facts, inbox),
    settled: settledLink(history),
  }
  for (const [link, later] of provenBy) {
    const proof = findings[later]
    if (findings[link].state !== 'done' && proof.state === 'done') {
      const { workerId = null } = link === 'offered' ? {} : proof
      findings[link] = { state: 'done', workerId, evidence: `the link ${later} shows it` }
    } else if (findings[link].state === 'missing' && proof.state === 'unknown' && queue.at === 'unknown') {
      // Whose receipt is sent is not in the queue any more either.
      findings[link] = { state: 'unknown', evidence: proof.evidence }
    }
  }
  return chainLinkNames.map((link): ChainLink => {
    const { state, at = null, version = null, workerId = null, message = null, evidence } = findings[link]
    return { link, state, at, version, workerId, message, evidence }
  })
}

/** From the end, so that what is proven proves in turn. */
const provenBy = [
  ['receipt-sent', 'recorded'],
  ['claimed', 'receipt-sent'],
  ['offered', 'claimed'],
] as const satisfies [ChainLinkName, ChainLinkName][]

function plannedLink({ planned, dispatched }: AttemptFacts): Finding {
  if (planned !== null) return { state: 'done', ...planned, evidence: `planned by event ${planned.version}` }
  const { version = null, at = null } = dispatched ?? {}
  return { state: 'done', version, at, evidence: 'it did not have to wait: it went out at once' }
}

function dispatchedLink({ dispatched }: AttemptFacts): Finding {
  if (dispatched === null) return { state: 'missing', evidence: 'no event has sent this attempt out' }
  const { version, at, deadlineAt } = dispatched
  return { state: 'done', version, at, evidence: `sent out by event ${version}, due ${deadlineAt}` }
}

function offeredLink({ dispatched }: AttemptFacts, queue: QueueSight): Finding {
  switch (queue.at) {
    case 'queued':
    case 'claimed':
      return { state: 'done', evidence: 'the queue holds it' }
    case 'unknown':
      return { state: 'missing', evidence: dispatched === null ? 'it was not sent out' : 'the queue does not hold it' }
    case 'unasked':
      return { state: 'unknown', evidence: `the queue could not be asked: ${oneLine(queue.why, whyMax)}` }
  }
}

function claimedLink(queue: QueueSight, refused: RefusedReceipt | null): Finding {
  if (refused !== null) return { state: 'done', evidence: 'a receipt was refused that answered this dispatch' }
  switch (queue.at) {
    case 'claimed': {
      const { workerId, deliveries, since, heartbeatAt } = queue
      const beat = heartbeatAt === undefined ? '' : `, last heartbeat ${oneLine(heartbeatAt, 64)}`
      const evidence = `worker ${oneLine(workerId, 128)} has it, handed out ${times(deliveries)}${beat}`
      return { state: 'done', at: since ?? null, workerId, evidence }
    }
    case 'queued':
      return { state: 'missing', evidence: 'no worker has it' }
    case 'unknown':
      return { state: 'missing', evidence: 'no worker is known to have it' }
    case 'unasked':
      return { state: 'unknown', evidence: `the queue could not be asked: ${oneLine(queue.why, whyMax)}` }
  }
}

function sentLink({ recorded }: AttemptFacts, refused: RefusedReceipt | null, inbox: InboxSight): Finding {
  if (recorded !== null) {
    const { worker, finishedAt, message } = recorded
    return {
      state: 'done',
      at: finishedAt,
      workerId: worker,
      message,
      evidence: `its worker says: ${recorded.status}`,
    }
  }
  if (inbox.seen && inbox.receipt !== null) {
    const { worker, finishedAt, sender, seq } = inbox.receipt
    const evidence = `it lies in the inbox: message ${seq} of ${oneLine(sender, 128)}`
    return { state: 'done', at: finishedAt, workerId: worker, message: { sender, seq }, evidence }
  }
  if (refused !== null) {
    const { version, at, gate, message } = refused
    return { state: 'done', version, at, message, evidence: `sent, and refused by event ${version} at gate ${gate}` }
  }
  if (!inbox.seen)
    return { state: 'unknown', evidence: `the inbox could not be looked into: ${oneLine(inbox.why, whyMax)}` }
  if (inbox.unfit !== null) {
    const { sender, seq, gate, evidence } = inbox.unfit
    const what = `message ${seq} of ${oneLine(sender, 128)} says that it is its receipt, and will be refused at gate ${gate}`
    return { state: 'missing', evidence: `${what}: ${oneLine(evidence, 200)}` }
  }
  if (!inbox.whole)
    return { state: 'unknown', evidence: 'the inbox holds more than could be seen, and none of that is it' }
  return { state: 'missing', evidence: 'neither the log nor the inbox has a receipt of it' }
}

function recordedLink({ recorded }: AttemptFacts, refused: RefusedReceipt | null): Finding {
  if (recorded !== null) {
    const { version, at, worker, message } = recorded
    return { state: 'done', version, at, workerId: worker, message, evidence: `recorded by event ${version}` }
  }
  if (refused !== null) {
    const { version, gate, evidence } = refused
    return { state: 'missing', evidence: `refused by event ${version} at gate ${gate}: ${oneLine(evidence, 200)}` }
  }
  return { state: 'missing', evidence: 'the log has no receipt of it' }
}

function acknowledgedLink({ recorded }: AttemptFacts, inbox: InboxSight): Finding {
  if (recorded === null) return { state: 'missing', evidence: 'nothing is recorded that could be acknowledged' }
  const { message } = recorded
  if (message === null) return { state: 'unknown', evidence: 'the log does not say by which message the receipt came' }
  if (!inbox.seen)
    return { state: 'unknown', message, evidence: `the inbox could not be looked into: ${oneLine(inbox.why, whyMax)}` }
  const name = `message ${message.seq} of ${oneLine(message.sender, 128)}`
  if (inbox.holdsRecorded) return { state: 'missing', message, evidence: `the inbox still holds ${name}` }
  if (!inbox.whole) return { state: 'unknown', message, evidence: `the inbox holds more than could be seen` }
  return { state: 'done', message, evidence: `the inbox does not hold ${name} any more` }
}

function settledLink({ settled }: TaskHistory): Finding {
  if (settled === null) return { state: 'missing', evidence: 'the task is open' }
  const { version, at, outcome, reason } = settled
  const why = reason === null ? '' : `: ${oneLine(reason, 200)}`
  return { state: 'done', version, at, evidence: `${outcome} by event ${version}${why}` }
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`)
