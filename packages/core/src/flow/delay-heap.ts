import type { DelayEntry } from '../protocol/state.js'

/** A binary heap in an array, earliest `notBefore` first. ISO times of one form compare as strings. */
export function pushDelay(heap: DelayEntry[], entry: DelayEntry): void {
  let at = heap.length
  heap.push(entry)
  while (at > 0) {
    const parent = (at - 1) >> 1
    const above = heap[parent] as DelayEntry
    if (above.notBefore <= entry.notBefore) break
    heap[at] = above
    at = parent
  }
  heap[at] = entry
}

export function popDelay(heap: DelayEntry[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let at = 0
  for (;;) {
    let child = at * 2 + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && (heap[child + 1] as DelayEntry).notBefore < (heap[child] as DelayEntry).notBefore)
      child++
    const below = heap[child] as DelayEntry
    if (below.notBefore >= last.notBefore) break
    heap[at] = below
    at = child
  }
  heap[at] = last
}

/** Whether anything is due. */
export const hasDueDelay = (heap: readonly DelayEntry[], now: string): boolean =>
  heap[0] !== undefined && heap[0].notBefore <= now

/** Entries that are due, in no order, without changing the heap: what lies below an entry that is not due is not due either. */
export function dueDelays(heap: readonly DelayEntry[], now: string, at = 0, due: DelayEntry[] = []): DelayEntry[] {
  const entry = heap[at]
  if (entry === undefined || entry.notBefore > now) return due
  due.push(entry)
  dueDelays(heap, now, at * 2 + 1, due)
  return dueDelays(heap, now, at * 2 + 2, due)
}
