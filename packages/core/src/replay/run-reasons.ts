import { count } from '../flow/next-action.js'
import { brokenBudget } from '../flow/spawn-rules.js'
import { commandLine, type Reason, reason, shown } from './reason.js'
import { holderReason } from './run-holder.js'
import type { RunSight } from './see-run.js'

/** What the run as a whole waits for: each a chain. What its tasks wait for is not in it. */
export function runReasons(sight: RunSight): Reason[][] {
  const { state } = sight
  if (state.mode === 'closed') return [[whyClosed(sight)]]
  const held = [...whyHeld(sight, 'blocked'), ...whyHeld(sight, 'paused')].map((one) => [one])
  const nobody = holderReason(sight)
  const unread = whyUnread(sight, nobody)
  const holder = nobody !== null && isHolderNeeded(sight, nobody, unread) ? [[nobody]] : []
  const budget = whyBudget(sight).map((one) => [one])
  return [...holder, ...held, ...budget, ...unread, ...whyCheckpoint(sight), ...whyIdle(sight)]
}

export function whyClosed({ state, marks }: RunSight): Reason {
  const by = marks.closed === null ? '' : ` (by ${shown(marks.closed.by, 128)} at ${marks.closed.at})`
  return reason('closed', {
    name: state.status,
    events: [marks.closed?.version],
    text: `the run ${state.status === 'failed' ? 'has failed' : `is ${state.status}`}${by}: ${shown(state.closing ?? '', 400)}`,
  })
}

/** Why nothing is dispatched though limits allow it. */
export function whyHeld({ state, marks, runId }: RunSight, hold: 'paused' | 'blocked' | 'evaluate-first'): Reason[] {
  if (hold === 'evaluate-first') {
    const [first] = state.received
    const many = state.received.size
    if (first === undefined) return []
    const text = `evaluateFirst is on, and ${many === 1 ? `the receipt of task ${shown(first, 80)} waits` : `${many} receipts wait`} for a decision`
    const events = [state.tasks.get(first)?.changedAt]
    const remedy = commandLine('accept', [runId, first])
    return [reason('received', { taskId: first, name: 'evaluate-first', events, text, remedy })]
  }
  const why = hold === 'blocked' ? state.blockedReason : state.pausedReason
  if (why === null) return []
  const mark = hold === 'blocked' ? marks.blocked : marks.paused
  const by = mark === null ? '' : ` by ${shown(mark.by, 128)} since ${mark.at}`
  return [
    reason(hold, {
      text: `the run is ${hold}${by}: ${shown(why, 400)}`,
      events: [mark?.version],
      remedy: commandLine(hold === 'blocked' ? 'unblock' : 'unpause', [runId], '--reason TEXT'),
    }),
  ]
}

/** A limit on spend that is used up: who waits for what is out need not act on it yet. */
export function whyBudget(sight: RunSight): Reason[] {
  const { state, marks, runId } = sight
  const broken = brokenBudget(state, sight)
  if (broken === null) return []
  const { rule, limit, value } = broken
  const by = rule === 'tokensMax' || rule === 'costUsdMax' ? marks.overspent.get(rule)?.version : marks.opened?.version
  const refused = marks.refusedSpawn?.rule === rule ? marks.refusedSpawn.version : undefined
  return [
    reason('budget-used', {
      name: rule,
      events: [by, refused],
      text: `${rule} is ${limit} and the run stands at ${value}: nothing more is dispatched`,
      needs: state.counts.out > 0 ? 'wait' : 'act',
      remedy: commandLine('fail', [runId], '--reason TEXT'),
    }),
  ]
}

/** Messages that the log has not answered, and who would have to read them. */
function whyUnread({ waiting }: RunSight, nobody: Reason | null): Reason[][] {
  if ('why' in waiting) return []
  const { messages, whole } = waiting.value
  const [first] = messages
  if (first === undefined) return []
  const receipts = messages.filter(({ kind }) => kind === 'receipt').length
  const kinds = [count(receipts, 'receipt'), count(messages.length - receipts, 'command')].filter(
    (one) => !one.startsWith('0 '),
  )
  const more = whole ? '' : ' or more'
  const text = `${kinds.join(' and ')}${more} in the inbox ${messages.length === 1 ? 'is' : 'are'} not recorded, the oldest from ${shown(first.sender, 128)}`
  return [[reason('inbox-unread', { text }), ...(nobody === null ? [] : [nobody])]]
}

/** Who only decides needs no holder: a command takes the run, and gives it back. */
function isHolderNeeded({ state }: RunSight, { code }: Reason, unread: readonly Reason[][]): boolean {
  return code !== 'no-holder' || unread.length > 0 || state.counts.out + state.counts.planned > 0
}

function whyCheckpoint({ state, marks, now, runId }: RunSight): Reason[][] {
  const { checkpoint } = state
  if (checkpoint === null || checkpoint.dueAt >= now) return []
  const note = checkpoint.note === '' ? '' : `: ${shown(checkpoint.note, 400)}`
  const text = `somebody wanted to look at the run by ${checkpoint.dueAt}${note}`
  const remedy = commandLine('checkpoint set', [runId], '--due TIME --note TEXT')
  return [[reason('checkpoint-overdue', { text, events: [marks.checkpoint?.version], remedy })]]
}

/** No task is open: what the run as a whole still needs. */
function whyIdle({ state, marks, runId }: RunSight): Reason[][] {
  if (state.tasks.size > 0) return []
  const events = [marks.settled?.version ?? marks.opened?.version]
  const open = state.criteria.flatMap((met, i) => (met === null ? [i + 1] : []))
  if (open.length > 0) {
    return open.map((number) => {
      const text = `no task is open, and success criterion ${number} has no evidence: ${shown(state.successCriteria[number - 1] ?? '')}`
      const remedy = commandLine('criterion met', [runId, `${number}`], '--evidence TEXT')
      return [
        reason('criteria-open', {
          name: `${number}`,
          events: [...events, marks.reopened.get(number)?.version],
          text,
          remedy,
        }),
      ]
    })
  }
  if (state.counts.tasks === 0) {
    const remedy = commandLine('dispatch', [runId, 'TASK'], '--kind KIND')
    return [[reason('nothing-dispatched', { text: 'the run has no tasks yet', events, remedy })]]
  }
  const text = 'every task is settled and every success criterion is met: the run can be completed'
  return [[reason('could-complete', { text, events, remedy: commandLine('complete', [runId], '--summary TEXT') })]]
}
