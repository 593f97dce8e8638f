import { RepriseError } from './errors.js'
import { type EventType, eventDataSchemas, type RunEvent } from './events.js'

/** An event as some version of the library wrote it. */
export interface StoredEvent {
  readonly type: string
  readonly v: number
  readonly data: unknown
  readonly cause?: unknown
}

/** Turns the data of (type, v) into that of (type, v + 1). Keyed `type@v`. */
export type UpcastSteps = ReadonlyMap<string, (data: unknown) => unknown>

/** Steps of all released versions. Each event is at version 1 so far, so there are none. */
const releasedSteps: UpcastSteps = new Map()

const knownTypes: ReadonlySet<string> = new Set(Object.keys(eventDataSchemas))

/** Brings an event to its newest form. `LOG_TOO_NEW` for types and versions of a later library: nothing is guessed. */
export function upcastEvent(stored: StoredEvent, steps: UpcastSteps = releasedSteps): RunEvent {
  // The common case first: this runs once per event of a replay.
  if (stored.v === 1 && steps.size === 0 && knownTypes.has(stored.type)) return stored as RunEvent
  let { v, data } = stored
  for (let step = steps.get(`${stored.type}@${v}`); step !== undefined; step = steps.get(`${stored.type}@${v}`)) {
    data = step(data)
    v++
  }
  const newest = newestVersion(stored.type as EventType, steps)
  if (newest === 0 || v !== newest) {
    throw new RepriseError(
      'LOG_TOO_NEW',
      `The log holds the event "${String(stored.type).slice(0, 64)}" in version ${String(v).slice(0, 16)}; this library knows ` +
        `${newest === 0 ? 'no such event' : `it up to version ${newest}`}. Open the log with the version of Reprise that wrote it, or a later one.`,
      { details: { type: stored.type, v: stored.v } },
    )
  }
  return { ...stored, v, data } as RunEvent
}

/** `type@v` of every event, in the newest version that this library knows. */
export const knownEvents = (): string[] =>
  [...knownTypes].map((type) => `${type}@${newestVersion(type as EventType, releasedSteps)}`)

/** Whether events up to `type@v` can be read here. */
export function isKnownEvent(name: string): boolean {
  const [type = '', v] = name.split('@')
  return Number(v) <= newestVersion(type as EventType, releasedSteps)
}

function newestVersion(type: EventType, steps: UpcastSteps): number {
  if (!Object.hasOwn(eventDataSchemas, type)) return 0
  let newest = 1
  while (steps.has(`${type}@${newest}`)) newest++
  return newest
}
