/**
 * Does `work` for each item, in groups of `max` that wait for each other, and gives what came out in the order of the
 * items. After a failure no further group begins, and what has begun is waited for: nothing runs on behind it.
 */
export async function someAtOnce<T, R>(
  items: readonly T[],
  max: number,
  work: (item: T) => Promise<R>,
): Promise<Awaited<R>[]> {
  const results: Awaited<R>[] = []
  for (let begin = 0; begin < items.length; begin += max) {
    const group = items.slice(begin, begin + max).map((item) => work(item))
    await Promise.allSettled(group)
    results.push(...(await Promise.all(group)))
  }
  return results
}
