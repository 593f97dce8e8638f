import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Adapter, loadRun, runIdSchema } from '@reprise/core'
import { readAddress } from '../address.js'
import { nearestFolder, openAt, openParts } from '../open-at.js'
import type { World } from '../world.js'
import type { Candidate, Wanted } from './candidates.js'

/** More would help nobody. */
const countMax = 200

/** Run ids, or ids of the tasks of the run that is named before. Nothing is made where nothing is. */
export async function lookUp(world: World, wanted: Exclude<Wanted, { wants: 'these' }>): Promise<readonly Candidate[]> {
  const { wants, value, before, given } = wanted
  const adapter = await openGiven(world, given.options.get('at')?.at(-1))
  if (adapter === null) return []
  try {
    const ids = wants === 'run' ? runIds(adapter, value) : taskIds(adapter, runOf(given), value)
    const candidates: Candidate[] = []
    for await (const candidate of ids) {
      candidates.push({ ...candidate, value: before + candidate.value })
      if (candidates.length >= countMax) break
    }
    return candidates
  } finally {
    // Nobody waits for it.
    adapter.close().catch(() => {})
  }
}

async function openGiven({ env, cwd }: World, at: string | undefined): Promise<Adapter | null> {
  const address = at ?? (env.REPRISE_AT || (await nearestFolder(cwd)))
  const read = readAddress(address)
  if (read.kind === 'files') {
    const found = await stat(join(resolve(cwd, read.dir), 'FORMAT')).catch(() => null)
    if (found === null) return null
  }
  return openParts(address, {}, (one) => openAt(one, cwd))
}

/** The run before the task; `RUN@VERSION` too. */
function runOf({ command, args }: Exclude<Wanted, { wants: 'these' }>['given']): string {
  const place = Object.values(command.args).findIndex(({ what }) => what === 'run')
  return args[place] ?? ''
}

async function* runIds({ log }: Adapter, prefix: string): AsyncGenerator<Candidate> {
  for await (const runId of log.list(prefix)) if (runId.startsWith(prefix)) yield { value: runId, says: 'run' }
}

async function* taskIds({ log, snapshots }: Adapter, run: string, prefix: string): AsyncGenerator<Candidate> {
  const parsed = runIdSchema.safeParse(run)
  if (!parsed.success) return
  const { state } = await loadRun(log, parsed.data, { snapshots })
  for (const [taskId, task] of state.tasks) if (taskId.startsWith(prefix)) yield { value: taskId, says: task.phase }
  for (const taskId of state.settled.keys()) if (taskId.startsWith(prefix)) yield { value: taskId, says: 'settled' }
}
