import type { Bucket } from '@reprise/core/replay'

const columnsMax = 16
const blocks = ' ▁▂▃▄▅▆▇█'
const ascii = ' .:-=+*%#'

/** Buckets as a row of bars, from the lowest value to the highest, each column so many times the one before it. */
export function sparkline(buckets: readonly Bucket[], unicode: boolean, columns = columnsMax): string {
  const first = buckets[0]
  const last = buckets.at(-1)
  if (first === undefined || last === undefined) return ''
  const place = (value: number) => Math.log2(Math.max(0.5, value))
  const [low, high] = [place(first.from), place(last.to)]
  const width = Math.min(columns, Math.max(1, Math.ceil((high - low) * 4)))
  const counts = new Array<number>(width).fill(0)
  for (const { from, to, count } of buckets) {
    const share = high === low ? 0 : ((place(from) + place(to)) / 2 - low) / (high - low)
    const column = Math.min(width - 1, Math.floor(share * width))
    counts[column] = (counts[column] ?? 0) + count
  }
  const most = Math.max(...counts)
  const signs = unicode ? blocks : ascii
  // What is there at all is seen, however little it is.
  return counts.map((count) => signs.charAt(Math.ceil((count * (signs.length - 1)) / most))).join('')
}
