import { type Adapter, combineAdapters } from '@reprise/core'

/** Where a run lives, as JSON: tests hand it to the processes that they start. */
export type Place = SinglePlace | MixedPlace

export type SinglePlace =
  | { readonly files: string }
  | { readonly redis: string; readonly prefix: string }
  | { readonly nats: string; readonly prefix: string }

/** Ports at different places. What is not named is where the log is. */
export interface MixedPlace {
  readonly log: SinglePlace
  readonly leases?: SinglePlace
  readonly queue?: SinglePlace
  readonly inbox?: SinglePlace
  readonly artifacts?: SinglePlace
}

/** An adapter for the place. Only the packages that it needs are loaded: processes of a test start quickly. */
export async function openPlace(place: Place): Promise<Adapter> {
  if (!('log' in place)) return openSingle(place)
  const opened = new Map<string, Promise<Adapter>>()
  // The same place twice is one adapter: its ports share a connection, as they do for a user.
  const open = (single: SinglePlace): Promise<Adapter> => {
    const key = JSON.stringify(single)
    const adapter = opened.get(key) ?? openSingle(single)
    opened.set(key, adapter)
    return adapter
  }
  const { log, leases = log, queue = log, inbox = log, artifacts } = place
  return combineAdapters({
    log: await open(log),
    leases: await open(leases),
    queue: await open(queue),
    inbox: await open(inbox),
    ...(artifacts === undefined ? {} : { artifacts: await open(artifacts) }),
  })
}

async function openSingle(place: SinglePlace): Promise<Adapter> {
  if ('files' in place) {
    const { openFiles } = await import('@reprise/adapter-fs')
    return openFiles({ dir: place.files })
  }
  if ('redis' in place) {
    const { openRedis } = await import('@reprise/adapter-redis')
    return openRedis({ url: place.redis, prefix: place.prefix })
  }
  const { openNats } = await import('@reprise/adapter-nats')
  return openNats({ servers: place.nats, prefix: place.prefix })
}
