import { beginning, clipped } from '../protocol/one-line.js'
import type { BriefedEvent, BriefedReceipt, BriefedStop, Briefing, Excerpt, Told } from './briefing.js'

// What a briefing is cut down by. Each gives back the very same briefing if there is nothing to cut.

type Lists = {
  [K in keyof Briefing]: Briefing[K] extends Told<unknown> ? K : never
}[keyof Briefing]

/** Leaves the first `max` of a list, or with `newest` the last. */
export function shorten(briefing: Briefing, list: Lists, max: number, which: 'first' | 'newest' = 'first'): Briefing {
  const { total, items } = briefing[list]
  if (items.length <= max) return briefing
  const left = which === 'first' || max === 0 ? items.slice(0, max) : items.slice(-max)
  return { ...briefing, [list]: { total, items: left } }
}

/** Cuts off inputs or outputs of what came back and of what stopped. */
export function clipJson(briefing: Briefing, which: 'input' | 'output', max: number): Briefing {
  let changed = false
  const cut = (excerpt: Excerpt): Excerpt => {
    if (excerpt.json.length <= max) return excerpt
    changed = true
    return { ...excerpt, json: beginning(excerpt.json, max) }
  }
  const received = mapped(briefing.received, (item) => ({ ...item, [which]: cut(item[which]) }))
  const stopped = mapped(briefing.stopped, (item) => (which === 'input' ? { ...item, input: cut(item.input) } : item))
  return changed ? { ...briefing, received, stopped } : briefing
}

/** Leaves only how many artifacts and requested tasks a receipt names. */
export function dropNames(briefing: Briefing): Briefing {
  const { items } = briefing.received
  if (items.every(({ artifacts, spawnRequests }) => artifacts.items.length + spawnRequests.items.length === 0))
    return briefing
  const none = ({ total }: Told<unknown>) => ({ total, items: [] })
  const received = mapped(briefing.received, (item) => {
    return { ...item, artifacts: none(item.artifacts), spawnRequests: none(item.spawnRequests) }
  })
  return { ...briefing, received }
}

/** Cuts off every text that came from outside; the goal is left twice as long. */
export function clipTexts(briefing: Briefing, max: number): Briefing {
  let changed = false
  const cut = <T extends string | null>(text: T, textMax = max): T => {
    // One more for the mark of what was cut off before.
    if (text === null || text.length <= textMax + 1) return text
    changed = true
    return clipped(text, textMax) as T
  }
  const account = <T extends BriefedReceipt | BriefedStop>(item: T): T => ({
    ...item,
    stoppedAt: cut(item.stoppedAt),
    resumeInstructions: cut(item.resumeInstructions),
  })
  const events = (list: Told<BriefedEvent>) => mapped(list, (item) => ({ ...item, text: cut(item.text) }))
  const { checkpoint, criteria, received, stopped } = briefing
  const clippedBriefing: Briefing = {
    ...briefing,
    goal: cut(briefing.goal, max * 2),
    reason: cut(briefing.reason),
    blockers: briefing.blockers.map((text) => cut(text)),
    checkpoint: checkpoint && { ...checkpoint, note: cut(checkpoint.note) },
    criteria: criteria.map((each) => ({ ...each, text: cut(each.text), evidence: cut(each.evidence) })),
    received: mapped(received, (item) => ({ ...account(item), error: cut(item.error), returns: cut(item.returns) })),
    stopped: mapped(stopped, (item) => ({ ...account(item), reason: cut(item.reason) })),
    lastAccepted: events(briefing.lastAccepted),
    decisions: events(briefing.decisions),
    troubles: events(briefing.troubles),
    refusals: events(briefing.refusals),
    notes: events(briefing.notes),
  }
  return changed ? clippedBriefing : briefing
}

const mapped = <T>({ total, items }: Told<T>, change: (item: T) => T): Told<T> => ({ total, items: items.map(change) })
