import type { Run } from '../coordinator/run.js'
import type { Settlement } from '../coordinator/settlements.js'
import type { TaskRequest } from '../protocol/task.js'
import type { PatternOptions } from './judge.js'
import { inLogOrder } from './settlement-details.js'
import { TaskFollower } from './task-follower.js'

/**
 * Fan-out and fan-in: takes tasks in, settles what comes back of them by `judge`, and resolves once all are settled, also
 * those that were in an earlier life or by somebody else, with how: in the order in which they were settled. The same
 * call after a crash goes on where it was. `SPAWN_REFUSED` as `run.dispatch`.
 */
export async function allOf(
  run: Run,
  tasks: Iterable<TaskRequest>,
  options: PatternOptions = {},
): Promise<ReadonlyMap<string, Settlement>> {
  const requests = [...tasks]
  const settled = new Map<string, Settlement>()
  return TaskFollower.during(
    run,
    { ...options, onSettled: (settlement) => settled.set(settlement.taskId, settlement) },
    async (follower) => {
      await follower.follow(requests.map(({ taskId }) => taskId))
      await follower.dispatch(requests)
      await follower.until(() => follower.open.size === 0)
      return inLogOrder(run, settled)
    },
  )
}
