import type { RunState } from '../protocol/state.js'
import { commandLine, type Reason, reason, shown } from './reason.js'
import type { RunSight } from './see-run.js'

/** Whether somebody alive holds the run. `unknown`: the leases could not be asked. */
export type Holding = 'live' | 'gone' | 'nobody' | 'another' | 'unknown'

/** `another`: the lease is in other hands than the lock, so that one is about to take the run over. */
export function holdingOf({ lock }: Pick<RunState, 'lock'>, lease: RunSight['lease'], isMoving = false): Holding {
  if (isMoving && lock !== null) return 'live'
  if ('why' in lease) return lock === null ? 'nobody' : 'unknown'
  if (lease.value === null) return lock === null ? 'nobody' : 'gone'
  return lease.value.holder.id === lock?.holder.id ? 'live' : 'another'
}

/** Why nobody goes on with the run; `null`: somebody does, or may. */
export function holderReason({ state, marks, lease, isMoving, runId }: RunSight): Reason | null {
  const failed = failedResume({ state, marks, runId })
  const holding = holdingOf(state, lease, isMoving)
  switch (holding) {
    case 'nobody': {
      if (failed !== null) return failed
      const { released } = marks
      const since = released === null ? '' : ` since ${released.at} (${shown(released.reason)})`
      return reason('no-holder', {
        text: `nobody holds the run${since}`,
        events: [released?.version],
        remedy: hold(runId),
      })
    }
    case 'gone':
      return reason('holder-gone', {
        text: `by the log ${holderText(state)} holds the run since ${state.lock?.at}, and it has no live lease: its process is gone, or gives no sign of life`,
        events: [state.epoch],
        remedy: hold(runId),
      })
    case 'another': {
      const holder = 'value' in lease ? lease.value?.holder : undefined
      return reason('taking-over', {
        text: `${shown(holder?.id ?? '', 128)} has the lease of the run and is about to take it over`,
        events: [state.epoch],
      })
    }
    case 'live':
    case 'unknown':
      return state.resumedEpoch < state.epoch && state.mode !== 'closed' ? resuming(state, holding) : null
  }
}

/** The resume in which the run was left, if a gate stopped it. */
function failedResume({ state, marks, runId }: Pick<RunSight, 'state' | 'marks' | 'runId'>): Reason | null {
  const { resumed } = marks
  if (resumed === null || resumed.failed === null || resumed.version < state.epoch) return null
  const { gate, evidence } = resumed.failed
  return reason('resume-gate-failed', {
    name: gate,
    text: `the newest resume stopped at gate ${gate}: ${shown(evidence, 400)}`,
    events: [state.epoch, resumed.version],
    remedy: commandLine('resume', [runId]),
  })
}

const resuming = (state: RunState, holding: Holding): Reason =>
  reason('resuming', {
    text: `${holderText(state)} has taken the run over, and its resume gates have not all passed yet${holding === 'unknown' ? '; whether it is alive could not be learnt' : ''}`,
    events: [state.epoch],
  })

function holderText({ lock }: Pick<RunState, 'lock'>): string {
  if (lock === null) return 'nobody'
  const { id, host, pid } = lock.holder
  return `${shown(id, 128)} (process ${pid} on ${shown(host, 64)})`
}

const hold = (runId: string): string => commandLine('resume', [runId], '--hold')
