import { loadRun } from '../coordinator/load-run.js'
import { openRun } from '../coordinator/open-run.js'
import type { DispatchReport } from '../coordinator/outcomes.js'
import { type CommandAnswer, type SentCommand, sendCommand } from '../coordinator/send-command.js'
import type { SpawnRefusal } from '../flow/decision.js'
import type { CommandInput } from '../protocol/commands.js'
import { isRepriseError } from '../protocol/errors.js'
import type { RunEvent } from '../protocol/events.js'
import type { TaskId } from '../protocol/ids.js'
import type { PlainAnswer } from './act-answer.js'
import type { ActingOptions } from './act-options.js'

/** Between two looks whether somebody still holds the run. Milliseconds: the first, and at most. */
const lookMs = 100
const lookMaxMs = 1_000

const nothing: DispatchReport = { dispatched: [], planned: [], known: [], refused: [] }

/** Acts on a run through its inbox, and steps in if nobody is left who reads that. */
export class ActingBySending {
  constructor(private readonly options: ActingOptions) {}

  async act(command: CommandInput, follows: string | null): Promise<PlainAnswer> {
    const { adapter, runId, runtime, wait } = this.options
    const token = follows ?? this.options.token
    const sent = await sendCommand({ adapter, runId, runtime, command, ...(token !== undefined && { token }) })
    const way = { how: 'sent', cause: sent.cause } as const
    if (!wait) return { ...way, ok: true, version: null, events: [], report: nothing }
    const { version, events } = await this.answer(sent)
    const refused = events.at(-1)
    if (refused?.type !== 'command-refused') {
      return { ...way, ok: true, version, events, report: await this.reportOf(command, events) }
    }
    const { code, message } = refused.data
    // Asked for again, as after a crash: that is no error.
    if (command.type === 'dispatch' && code === 'NO_CHANGE') {
      const known = command.tasks.map(({ taskId }) => taskId as TaskId)
      return { ...way, ok: true, version, events, report: { ...nothing, known } }
    }
    return { ...way, ok: false, code, message, details: {} }
  }

  private async answer(sent: SentCommand): Promise<CommandAnswer> {
    const { how, timeoutMs, signal } = this.options
    const [done, failed, givenUp] = [new AbortController(), new AbortController(), new AbortController()]
    const stepping =
      how === 'send' ? null : this.stepIn(done.signal, givenUp.signal).catch((error: unknown) => failed.abort(error))
    const over = signal === undefined ? failed.signal : AbortSignal.any([failed.signal, signal])
    try {
      return await sent.answer({ timeoutMs, signal: over })
    } catch (error) {
      givenUp.abort()
      throw failed.signal.aborted ? failed.signal.reason : error
    } finally {
      done.abort()
      await stepping
    }
  }

  /** Whoever held the run may let it go, or die, before it has looked at the inbox. Opening the run decides what is there. */
  private async stepIn(done: AbortSignal, givenUp: AbortSignal): Promise<void> {
    const { adapter, runId, runtime, stateFile } = this.options
    for (let waitMs = lookMs; ; waitMs = Math.min(waitMs * 2, lookMaxMs)) {
      await runtime.sleep(waitMs, done)
      if (done.aborted) return
      try {
        if (await this.isHeld()) continue
        const store = stateFile === undefined ? {} : { stateFile }
        const run = await openRun({ ...{ adapter, runId, runtime, signal: givenUp }, ...store })
        await run.close()
      } catch (error) {
        // Somebody else was faster, or the backend is away for a moment: the answer is still waited for.
        const mayPass = isRepriseError(error) && (error.retry === 'later' || error.code === 'LOCK_LOST')
        if (!mayPass) throw error
      }
    }
  }

  private async isHeld(): Promise<boolean> {
    const { adapter, runId } = this.options
    const name = `run/${runId}`
    for await (const holder of adapter.leases.holders(name)) if (holder.name === name) return true
    return false
  }

  private async reportOf(command: CommandInput, events: readonly RunEvent[]): Promise<DispatchReport> {
    if (command.type !== 'dispatch') return nothing
    const [dispatched, planned]: [TaskId[], TaskId[]] = [[], []]
    const kept: SpawnRefusal[] = []
    let keptOut = 0
    for (const event of events) {
      if (event.type === 'dispatched') dispatched.push(event.data.taskId)
      else if (event.type === 'planned') planned.push(event.data.taskId)
      else if (event.type === 'spawn-refused') {
        const { taskId, rule, limit, value, count } = event.data
        kept.push({ taskId, rule, limit, value })
        keptOut += count
      }
    }
    const told = new Set([...dispatched, ...planned, ...kept.map(({ taskId }) => taskId)])
    const others = command.tasks.map(({ taskId }) => taskId as TaskId).filter((taskId) => !told.has(taskId))
    const [last] = kept.slice(-1)
    if (keptOut === kept.length || last === undefined) return { dispatched, planned, known: others, refused: kept }
    // Only the first that a rule kept out is named in the log.
    const { adapter, runId } = this.options
    const { state } = await loadRun(adapter.log, runId, { snapshots: adapter.snapshots })
    const isIn = (taskId: TaskId) => state.tasks.has(taskId) || state.settled.has(taskId)
    const refused = others.filter((taskId) => !isIn(taskId)).map((taskId) => ({ ...last, taskId }))
    return { dispatched, planned, known: others.filter(isIn), refused: [...kept, ...refused] }
  }
}
