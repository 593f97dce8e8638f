import { openRun } from '../coordinator/open-run.js'
import type { Run } from '../coordinator/run.js'
import type { CommitNotice } from '../coordinator/run-events.js'
import type { CommandInput } from '../protocol/commands.js'
import { assertInvariant, isRepriseError } from '../protocol/errors.js'
import type { RunEvent } from '../protocol/events.js'
import type { PlainAnswer, TakenUp } from './act-answer.js'
import type { ActingOptions } from './act-options.js'
import type { ShownRun } from './shown-run.js'

/** Acts on a run by holding it, for as long as that takes. */
export class ActingByHolding {
  #run: Run | null = null

  constructor(
    private readonly options: ActingOptions,
    private readonly shown: ShownRun | null,
  ) {}

  get takenUp(): TakenUp | null {
    const run = this.#run
    const receipts = run?.gates.find(({ gate }) => gate === 'receipts-pending')?.evidence
    return run === null || receipts === undefined ? null : { epoch: run.status.epoch, receipts }
  }

  /** `false`: somebody alive holds it, and the command may be sent instead. */
  async take(): Promise<boolean> {
    const { adapter, runId, how, stateFile, signal, runtime } = this.options
    try {
      this.#run ??= await openRun({
        ...{ adapter, runId, runtime },
        ...(stateFile !== undefined && { stateFile }),
        ...(signal !== undefined && { signal }),
      })
      return true
    } catch (error) {
      if (how === 'either' && isRepriseError(error, 'RUN_HELD')) return false
      throw error
    }
  }

  async act(command: CommandInput, follows: string | null): Promise<PlainAnswer> {
    const run = this.#run
    assertInvariant(run !== null, 'a command came before its run was taken')
    const token = follows ?? (await this.shown?.tokenAfterTaking(run.status))
    const events: RunEvent[] = []
    const onCommit = (commit: CommitNotice) => void events.push(...commit.events)
    run.on('commit', onCommit)
    const outcome = await run.execute(command, token === undefined ? {} : { token }).finally(() => {
      run.off('commit', onCommit)
    })
    const way = { how: 'executed', cause: null } as const
    if (outcome.ok) return { ...way, ok: true, version: outcome.status.version, events, report: outcome.report }
    const { code, message, details = {} } = outcome
    return { ...way, ok: false, code, message, details }
  }

  async close(): Promise<void> {
    await this.#run?.close()
  }
}
