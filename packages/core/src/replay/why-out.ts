import { endedInRefusal, type QueueSight } from '../flow/chain-links.js'
import { count } from '../flow/next-action.js'
import type { TaskHistory } from '../flow/task-history.js'
import type { OpenTask } from '../protocol/state.js'
import { epochMs } from '../protocol/time.js'
import { commandLine, type Reason, reason, shown } from './reason.js'
import { holderReason } from './run-holder.js'
import type { RunSight } from './see-run.js'

/** What has just happened is given the time to go on by itself. Milliseconds. */
export const freshMs = 5_000
/** A worker without a heartbeat for so long is called silent. Milliseconds. */
const silentMs = 30_000

/** Why an attempt that is out has not come back: what its queue and the inbox say, and what keeps that from going on. */
export function whyOut(sight: RunSight, task: OpenTask, history: TaskHistory): Reason[] {
  const { spec, attempt, deadlineAt } = task
  const { taskId } = spec
  const facts = history.attempts.at(-1)
  const events = [facts?.dispatched?.version]
  const seen = sight.queue.get(taskId)
  const queue: QueueSight =
    seen?.attempt === attempt ? seen.sight : { at: 'unasked', why: 'it was not among those that were looked for' }
  const what = `attempt ${attempt} of task ${shown(taskId, 80)}`
  const due = `due ${deadlineAt}`
  const nobody = holderReason(sight)
  const further = nobody === null ? [] : [nobody]
  const inbox = facts === undefined ? null : sight.inbox.sightOf(taskId, facts)

  const refused = facts === undefined || inbox === null ? null : endedInRefusal(facts, queue, inbox)
  if (inbox?.seen && inbox.receipt !== null) {
    const { sender, seq, worker } = inbox.receipt
    const text = `the receipt of ${what} lies in the inbox (message ${seq} of ${shown(sender, 128)}, from worker ${shown(worker, 128)}) and is not recorded`
    return [reason('receipt-in-inbox', { taskId, name: 'recorded', events, text }), ...further]
  }
  if (refused !== null) {
    return [
      reason('receipt-refused', {
        ...{ taskId, name: refused.gate, events: [...events, refused.version] },
        text: `the receipt of ${what} was refused at gate ${refused.gate}: ${shown(refused.evidence)}; the next attempt follows when this one expires (${due})`,
        remedy: commandLine('task', [sight.runId, taskId], '--full'),
      }),
    ]
  }
  if (deadlineAt !== null && deadlineAt < sight.now) {
    const text = `${what} was due at ${deadlineAt}, and nobody has expired it`
    return [reason('overdue', { taskId, events, text, needs: nobody === null ? 'wait' : 'act' }), ...further]
  }
  switch (queue.at) {
    case 'claimed':
      return [claimed(sight, task, events, queue)]
    case 'queued':
      return [unclaimed(sight, task, events, queue.deliveries)]
    case 'unknown': {
      if (inbox !== null && !inbox.seen) break
      const text = `${what} is in no queue, and no receipt of it has come: its coordinator stopped before it could offer it, or it was lost; it is ${due}`
      const remedy = commandLine('resume', [sight.runId], '--hold')
      const isFresh = sight.nowMs - epochMs(task.dispatchedAt ?? '') < freshMs && nobody === null
      const needs = isFresh ? ('wait' as const) : ('act' as const)
      return [reason('not-offered', { taskId, name: 'offered', events, text, remedy, needs }), ...further]
    }
    case 'unasked':
      break
  }
  const why = queue.at === 'unasked' ? ` (${shown(queue.why)})` : ''
  return [reason('out', { taskId, events, text: `${what} is out, ${due}; where it is is not known${why}` })]
}

type Events = readonly (number | undefined)[]
type Claim = Extract<QueueSight, { at: 'claimed' }>

function claimed(sight: RunSight, { spec, attempt, deadlineAt }: OpenTask, events: Events, claim: Claim): Reason {
  const { taskId, lane, kind } = spec
  const since = claim.since === undefined ? '' : ` since ${shown(claim.since, 64)}`
  const who = `worker ${shown(claim.workerId, 128)} has attempt ${attempt} of task ${shown(taskId, 80)}${since}`
  if (isHeard(sight, claim)) {
    return reason('working', { taskId, name: 'receipt-sent', events, text: `${who}, due ${deadlineAt}` })
  }
  const last = claim.heartbeatAt === undefined ? 'no heartbeat' : `no heartbeat since ${shown(claim.heartbeatAt, 64)}`
  const others = busyOn(sight, lane) !== null || workersAlive(sight) > 0
  return reason('silent', {
    ...{ taskId, name: 'receipt-sent', events },
    text: `${who}, and gives ${last}; another worker gets it when that claim has run out, and it is due ${deadlineAt}`,
    remedy: startWorker(lane, kind),
    needs: others ? 'wait' : 'act',
  })
}

function unclaimed(sight: RunSight, task: OpenTask, events: Events, deliveries: number): Reason {
  const { spec, attempt, deadlineAt, dispatchedAt } = task
  const { taskId, lane, kind } = spec
  const busy = busyOn(sight, lane)
  const what = `attempt ${attempt} of task ${shown(taskId, 80)} is queued on lane ${shown(lane, 128)} since ${dispatchedAt}`
  if (busy !== null) {
    const text = `${what}; worker ${shown(busy, 128)} serves that lane and has another attempt`
    return reason('lane-busy', { taskId, name: 'claimed', events, text })
  }
  const many = workersAlive(sight)
  const alive = many === 0 ? '' : `; workers alive, whatever they serve: ${many}`
  const before = deliveries === 0 ? '' : `; it was handed out ${count(deliveries, 'time')} before and came back`
  return reason('unclaimed', {
    ...{ taskId, name: 'claimed', events },
    text: `${what}, and no worker has claimed it${before}${alive}; it is due ${deadlineAt}`,
    remedy: startWorker(lane, kind),
    needs: sight.nowMs - epochMs(dispatchedAt ?? '') < freshMs ? 'wait' : 'act',
  })
}

const startWorker = (lane: string, kind: string): string =>
  commandLine('worker', [], `--lane ${lane} --kind ${kind} --exec 'COMMAND'`)

const workersAlive = ({ workers }: RunSight): number => ('value' in workers ? workers.value : 0)

const isHeard = ({ nowMs }: RunSight, { heartbeatAt }: Claim): boolean =>
  heartbeatAt !== undefined && nowMs - epochMs(heartbeatAt) <= silentMs

/** A worker that is alive and has an attempt of the lane. */
function busyOn(sight: RunSight, lane: string): string | null {
  for (const [taskId, { sight: queue }] of sight.queue) {
    if (queue.at !== 'claimed' || sight.state.tasks.get(taskId)?.spec.lane !== lane) continue
    if (isHeard(sight, queue)) return queue.workerId
  }
  return null
}
