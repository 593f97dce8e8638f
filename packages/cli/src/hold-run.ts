import { type Adapter, describeEvent, isRepriseError, type Run } from '@reprise/core'
import { z } from 'zod'
import type { Context } from './command.js'
import { CommandFailure } from './command-failure.js'
import type { Style } from './output/style.js'
import { resumed, resumedOf } from './resumed-report.js'

/** One event that was recorded while the run was held. */
const recorded = z.object({
  type: z.literal('event'),
  runId: z.string(),
  version: z.number(),
  event: z.string().describe('its type'),
  text: z.string(),
})
/** A reader that is slower than the run does not make this process hold all of it. */
const leftOut = z.object({
  type: z.literal('left-out'),
  runId: z.string(),
  events: z.number().describe('that nobody read in time; they are in the log'),
})
/** What holding a run tells: where it stands, then every event. */
export const heldLine = z.discriminatedUnion('type', [resumed, recorded, leftOut])
export type HeldLine = z.output<typeof heldLine>

/** Events that wait for a slow reader, at most: those of several commits, however fast it is. */
const waitingMax = 10_000

interface Hold {
  readonly context: Context
  readonly adapter: Adapter
  /** Ends when nothing more comes back by itself. */
  readonly settled: boolean
}

/** Tells every event until the run ends, is let go, or is somebody else's. */
export async function holdRun(
  run: Run,
  { context, adapter, settled }: Hold,
  tell: (line: HeldLine) => Promise<void>,
): Promise<void> {
  const stop = (): void => void run.close()
  let telling: Promise<void> = Promise.resolve()
  let [waiting, unread] = [0, 0]
  const tellEvent = async (line: HeldLine): Promise<void> => {
    await tell(line)
    if (--waiting > 0 || unread === 0) return
    const events = unread
    unread = 0
    await tell({ type: 'left-out', runId: run.id, events })
  }
  run.on('commit', ({ events, status }) => {
    const first = status.version - events.length + 1
    for (const [i, event] of events.entries()) {
      // One gap, not many.
      if (waiting >= waitingMax || unread > 0) {
        unread++
        continue
      }
      waiting++
      const line = { runId: run.id, version: first + i, event: event.type, text: describeEvent(event) }
      telling = telling.then(() => tellEvent({ type: 'event', ...line }))
      telling.catch(stop)
    }
  })
  run.on('transport-failed', (error) => void context.out.note(`tried again: ${(error as Error)?.message ?? error}`))
  run.on('state-file-drift', ({ text }) => void context.out.note(text))
  telling = telling.then(async () => tell(await resumedOf(adapter, run.id, { run })))
  telling.catch(stop)
  await (settled ? settlement(run) : untilOver(run))
  await run.close()
  await telling
  const { reason } = run.signal as { reason: unknown }
  if (isRepriseError(reason, 'LOCK_LOST')) throw new CommandFailure('unavailable', reason.code, reason.message)
  if (!isRepriseError(reason, 'CLOSED')) throw reason
}

/** Results are handed over and left for others to decide: that ends when there is nothing to wait for. */
async function settlement(run: Run): Promise<void> {
  try {
    for await (const batch of run.resultBatches()) void batch
  } catch (error) {
    // The end of the run is told by its signal.
    if (!run.signal.aborted) throw error
  }
}

const untilOver = (run: Run): Promise<void> =>
  new Promise((resolve) => {
    if (run.signal.aborted) resolve()
    else run.signal.addEventListener('abort', () => resolve(), { once: true })
  })

export const eventLine = (line: z.output<typeof recorded> | z.output<typeof leftOut>, style: Style): string =>
  line.type === 'left-out'
    ? `${line.events} events were left out: nobody read them in time`
    : `${style.ink('dim', `${line.version}  ${style.text(line.event)}`)}  ${style.text(line.text)}`
