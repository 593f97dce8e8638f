// One of two processes that open the same runs at the same moment, again and again. One line answers each order.
import { isRepriseError, openRun, type Run } from '@reprise/core'
import { openPlace, type Place } from '../place.js'
import { listen, readOrder, say } from './talk.js'

const adapter = await openPlace(readOrder<{ place: Place }>().place)
let run: Run | null = null

listen(async (order) => {
  try {
    say(await obey(order))
  } catch (error) {
    if (!isRepriseError(error)) throw error
    say({ failed: error.code })
  }
})
say({ ready: true })

async function obey({ open, takeover, note, close }: Readonly<Record<string, string>>): Promise<object> {
  if (open !== undefined) {
    run = null
    run = await openRun({
      ...{ adapter, runId: open, goal: 'be held by one' },
      takeover: takeover === 'now' ? 'now' : 'when-dead',
    })
    return { held: run.status.epoch }
  }
  if (run === null) return { idle: true }
  if (note !== undefined) {
    await run.note(note)
    return { noted: note }
  }
  await run.close()
  return { closed: close }
}
