// A watchdog in a process of its own, to be killed.
import { closeOnSignals, startWatchdog } from '@reprise/core'
import { openPlace } from '../place.js'
import { listen, readOrder, say, type WatchdogOrder } from './talk.js'

const { place, command, ...options } = readOrder<WatchdogOrder>()
const adapter = await openPlace(place)
const watchdog = await startWatchdog({
  adapter,
  ...options,
  ...(command === undefined ? { onIncident: ({ kind, key }) => say({ key, [kind]: true, [key]: true }) } : { command }),
  onError: (error) => say({ failed: String(error) }),
})
watchdog.on('active', () => say({ active: true }))
watchdog.on('told', ({ key }) => say({ told: key, [`told:${key}`]: true }))
closeOnSignals({
  close: async (closing) => {
    await watchdog.close(closing)
    await adapter.close()
  },
})
listen(() => {})
say({ started: watchdog.active })
