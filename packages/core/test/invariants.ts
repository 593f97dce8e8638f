import { hash } from 'node:crypto'
import type { RunStatus } from '../src/coordinator/run-status.js'
import { modeTable } from '../src/flow/mode-table.js'
import { planDeliveries } from '../src/flow/plan-deliveries.js'
import { initialState, reduceCommit } from '../src/flow/reduce-event.js'
import { openStatus, statusTable } from '../src/flow/status-table.js'
import { ChainReader } from '../src/log/chain-reader.js'
import { eventDataSchemas, resumeGates } from '../src/protocol/events.js'
import { limits } from '../src/protocol/limits.js'
import type { RunState } from '../src/protocol/state.js'
import type { AppendCall, Check, Evidence } from './evidence.js'
import { hashOf, readHistory, textOf } from './log-history.js'
import { snapshotProblem } from './snapshot-of.js'

/** The invariants of the design, I1 to I13, each able to fail on its own. */
export const invariants = {
  /** One history: gapless, immutable, never shorter than it was. */
  *I1({ lines, linesBefore }) {
    for (const [i, line] of linesBefore.entries()) if (lines[i] !== line) yield `commit ${i} is not what it was`
    const chain = new ChainReader()
    let version = 0
    for (const line of lines) {
      const commit = chain.next(line)
      version += commit.events.length
      if (commit.version !== version) yield `commit ${commit.index} has version ${commit.version}, not ${version}`
    }
  },

  /** Durability: what was acknowledged is in every later read. */
  *I2({ lines, appends }) {
    for (const { index, hash: digest, ended } of appends) {
      if (ended === 'committed' && hashOf(lines[index]) !== digest) yield `commit ${index} was acknowledged and is gone`
    }
  },

  /** Compare-and-append: one commit per index; a conflict did not append; an unknown end is asked about again. */
  *I3({ lines, appends }) {
    const unknown = new Map<string, AppendCall>()
    for (const call of appends) {
      const open = unknown.get(call.by)
      if (open !== undefined && (open.index !== call.index || open.hash !== call.hash)) {
        yield `${call.by} appended ${call.index} before it knew what became of ${open.index}`
      }
      if (call.ended === 'unknown') unknown.set(call.by, call)
      else unknown.delete(call.by)
      if (call.ended === 'conflict' && hashOf(lines[call.index]) === call.hash)
        yield `commit ${call.index} stands in spite of a conflict`
    }
    const committed = new Map<number, string>()
    for (const { index, hash: digest, ended } of appends) {
      if (ended !== 'committed') continue
      if ((committed.get(index) ?? digest) !== digest) yield `two commits were acknowledged at index ${index}`
      committed.set(index, digest)
    }
  },

  /** Fencing: the epoch is the version of the lock in force, and only its holder appends. */
  *I4(_evidence, { commits }) {
    let [epoch, version] = [0, 0]
    let holder: string | null = null
    for (const commit of commits) {
      let mayAppend = holder === commit.actor
      for (const event of commit.events) {
        version++
        if (event.type === 'lock-acquired') {
          epoch = version
          holder = event.data.holder.id
          mayAppend ||= holder === commit.actor
        }
        if (event.type === 'lock-released') holder = null
      }
      if (commit.epoch !== epoch) yield `commit ${commit.index} has epoch ${commit.epoch}, the lock says ${epoch}`
      if (!mayAppend) yield `commit ${commit.index} is by ${commit.actor}, who did not hold the lock`
    }
  },

  /** Log before effect: nothing is in the queue that the log does not say was dispatched. */
  *I5({ offers }, { facts }) {
    const dispatched = new Set(facts.dispatches.map(({ taskId, attempt, digest }) => `${taskId}/${attempt} ${digest}`))
    for (const { taskId, attempt, digest, body } of offers) {
      if (!dispatched.has(`${taskId}/${attempt} ${digest}`))
        yield `${taskId}/${attempt} is in the queue and not in the log`
      if (hash('sha256', body) !== digest)
        yield `${taskId}/${attempt} is in the queue with another content than dispatched`
    }
  },

  /** One receipt: at most one accepted per task, one recorded per attempt; what is repeated or refused changes nothing. */
  *I6(_evidence, { commits, facts }) {
    const accepted = new Set<string>()
    for (const { taskId } of facts.accepted) {
      if (accepted.has(taskId)) yield `task ${taskId} was accepted twice`
      accepted.add(taskId)
    }
    const recorded = new Set<string>()
    for (const { taskId, attempt } of facts.receipts) {
      if (recorded.has(`${taskId}/${attempt}`)) yield `attempt ${taskId}/${attempt} has two receipts`
      recorded.add(`${taskId}/${attempt}`)
    }
    const decided = new Set<string>()
    let deciding = ''
    const state = initialState()
    for (const { at, events } of commits) {
      for (const event of events) {
        const message = event.cause === undefined ? '' : `${event.cause.sender} ${event.cause.seq}`
        if (message !== '' && message !== deciding && decided.has(message)) yield `message ${message} was decided twice`
        deciding = message
        if (event.cause?.more !== true) decided.add(message)
        const before = event.type === 'receipt-rejected' ? tasksOf(state) : ''
        reduceCommit(state, { at, events: [event] })
        if (before !== '' && before !== tasksOf(state))
          yield `a refused receipt changed the state at version ${state.version}`
      }
    }
  },

  /** Grounded receipts: each cites the dispatch that was out when it was recorded, and only those are accepted. */
  *I7(_evidence, { facts }) {
    for (const { taskId, attempt, epoch, dispatchDigest, out } of facts.receipts) {
      if (out === undefined) yield `a receipt of ${taskId}/${attempt} was recorded while no attempt was out`
      else if (out.attempt !== attempt || out.digest !== dispatchDigest || out.epoch !== epoch) {
        yield `the receipt of ${taskId}/${attempt} cites another dispatch than ${taskId}/${out.attempt}`
      }
    }
    for (const { taskId, attempt, received } of facts.accepted) {
      if (received !== attempt) yield `${taskId}/${attempt} was accepted without a receipt`
    }
  },

  /** No lost task: each is settled, or somewhere from where it goes on. */
  *I8(_evidence, { states: { last: state }, facts }) {
    if (state.mode === 'closed') return
    const offered = new Map(planDeliveries(state).map((offer) => [offer.taskId as string, offer]))
    const waits = new Set<string>([
      ...state.ready.flatMap((ids) => [...ids]),
      ...state.delayed.map(({ taskId }) => taskId),
    ])
    for (const taskId of facts.taskIds) {
      const task = state.tasks.get(taskId as never)
      if (task === undefined && !state.settled.has(taskId as never)) yield `task ${taskId} is lost`
      const open = facts.open.get(taskId)
      if (open !== undefined && offered.get(taskId)?.digest !== open.digest)
        yield `${taskId}/${open.attempt} would not be offered again`
      if (task?.phase !== 'planned' || waits.has(taskId)) continue
      const needs = task.spec.after.filter((needed) => state.tasks.has(needed))
      if (needs.length === 0) yield `task ${taskId} is planned and waits for nothing`
    }
  },

  /** Gates: in order, once per epoch, nothing dispatched or settled before the last. */
  *I9(_evidence, { commits }) {
    let passed = false
    for (const event of commits.flatMap(({ events }) => events)) {
      switch (event.type) {
        case 'lock-acquired':
          passed = false
          break
        case 'resumed': {
          const { gates } = event.data
          if (passed) yield 'the gates were passed twice in one epoch'
          if (gates.some(({ gate }, i) => gate !== resumeGates[i])) yield 'the gates are out of order'
          if (gates.some(({ pass }, i) => !pass && i < gates.length - 1)) yield 'a gate came after one that failed'
          passed = gates.length === resumeGates.length && gates.every(({ pass }) => pass)
          break
        }
        case 'dispatched':
        case 'task-accepted':
        case 'task-cancelled':
        case 'task-abandoned':
        case 'attempt-expired':
        case 'run-completed':
          if (!passed) yield `${event.type} before the gates were passed`
          break
        default:
      }
    }
  },

  /** Pure fold: from zero, with a snapshot in between, and as coordinators told it, the state is the same. */
  *I10({ told, lines, snapshot: kept }, { commits, states }) {
    const problem = snapshotProblem(kept, lines)
    if (problem !== null) yield problem
    const middle = Math.floor(commits.length / 2)
    const snapshot = structuredClone(commits.slice(0, middle).reduce(reduceCommit, initialState()))
    const resumed = commits.slice(middle).reduce(reduceCommit, snapshot)
    if (textOf(resumed) !== textOf(states.last)) yield 'snapshot and suffix give another state than the whole log'
    for (const status of told) {
      const text = states.told.get(status.version)
      if (text === undefined) yield `a status of version ${status.version} was told, which no commit ends with`
      else if (text !== JSON.stringify(status))
        yield `the status told for version ${status.version} is not the one of the log`
    }
  },

  /** Legal modes and statuses only; nothing but the release of the lock after the end. */
  *I11(_evidence, { commits }) {
    const state = initialState()
    for (const { at, events } of commits) {
      for (const event of events) {
        const { mode, status } = state
        if (mode === 'closed' && event.type !== 'lock-released') yield `${event.type} after the end of the run`
        if (event.type === 'mode-changed' && (event.data.from !== mode || !modeTable[mode][event.data.to])) {
          yield `mode-changed from ${event.data.from} to ${event.data.to} in mode ${mode}`
        }
        reduceCommit(state, { at, events: [event] })
        if (!statusTable[status][state.status] && status !== state.status)
          yield `status ${status} became ${state.status}`
        if (state.mode !== 'closed' && state.status !== openStatus(state))
          yield `status ${state.status} in mode ${state.mode}`
      }
    }
  },

  /** Bounds: every wait ends by its deadline, every limit is kept at every commit. */
  *I12({ lines, waits, now }, { states }) {
    for (const { what, until, settled } of waits)
      if (!settled && now > until) yield `${what} has not ended by its deadline`
    for (const line of lines)
      if (Buffer.byteLength(line) > limits.commitBytesMax) yield 'a commit exceeds commitBytesMax'
    const { policy, tasks, senders } = states.last
    for (const status of states.told.values()) {
      const { counts } = JSON.parse(status) as RunStatus
      if (policy !== null && counts.out > policy.inFlightMax) yield `${counts.out} attempts were out at once`
      if (policy !== null && counts.tasks > policy.tasksMax) yield `${counts.tasks} tasks were taken in`
    }
    for (const { spec, attempt } of tasks.values()) {
      if (attempt > (spec.attemptsMax ?? policy?.attemptsMax ?? 0)) yield `${spec.taskId} is at attempt ${attempt}`
    }
    for (const [sender, { ahead }] of senders)
      if (ahead.size > limits.inboxGapMax) yield `${sender} is remembered without bound`
  },

  /** Containment: only what the schemas allow is in the log, and a refused message leaves one bounded record. */
  *I13(_evidence, { commits }) {
    const refused = new Set<string>()
    const answered = new Map<string, number>()
    for (const event of commits.flatMap(({ events }) => events)) {
      const parsed = eventDataSchemas[event.type].safeParse(event.data)
      if (!parsed.success)
        yield `${event.type} does not have the form of its schema: ${parsed.error.issues[0]?.message}`
      if (JSON.stringify(event).includes('"__proto__":')) yield `${event.type} carries a prototype`
      if (event.cause === undefined) continue
      const cause = `${event.cause.sender} ${event.cause.seq}`
      answered.set(cause, (answered.get(cause) ?? 0) + 1)
      if (event.type === 'receipt-rejected' || event.type === 'command-refused') refused.add(cause)
    }
    for (const cause of refused) if (answered.get(cause) !== 1) yield `message ${cause} was refused and had an effect`
  },
} satisfies Record<string, Check>

export type InvariantName = keyof typeof invariants

/** The first violation of each invariant, as `I4: …`. */
export function violations(evidence: Evidence, names = Object.keys(invariants) as InvariantName[]): string[] {
  const found: string[] = []
  const history = readHistory(evidence.lines)
  for (const name of names) {
    try {
      for (const problem of invariants[name](evidence, history)) {
        found.push(`${name}: ${problem}`)
        break
      }
    } catch (error) {
      found.push(`${name}: ${(error as Error).message}`)
    }
  }
  return found
}

const tasksOf = (state: RunState): string =>
  textOf({ ...state, at: '', version: 0, senders: null, counts: { ...state.counts, receiptsRejected: 0 } })
