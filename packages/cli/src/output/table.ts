import { displayWidth, fitWidth } from './display-width.js'
import { ink, withoutInk } from './markup.js'

export interface Column {
  readonly title: string
  readonly align?: 'right'
  /** May be cut to make the table fit; the last such column is cut first. */
  readonly shrinks?: true
}

const gap = '  '
const leastWidth = 8

/** Rows under titles, as wide as `columns` allows. Cells are one line each; they may be marked with ink. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], widthMax: number): string {
  const widths = columns.map(({ title }, i) =>
    rows.reduce((widest, row) => Math.max(widest, displayWidth(row[i] ?? '')), displayWidth(title)),
  )
  let tooWide = widths.reduce((sum, width) => sum + width, gap.length * (columns.length - 1)) - widthMax
  for (let i = columns.length - 1; i >= 0 && tooWide > 0; i--) {
    const width = widths[i] ?? 0
    if (!columns[i]?.shrinks) continue
    widths[i] = Math.max(Math.min(leastWidth, width), width - tooWide)
    tooWide -= width - (widths[i] ?? 0)
  }
  const line = (cells: readonly string[]) =>
    columns
      .map(({ align }, i) =>
        pad(cutTo(cells[i] ?? '', widths[i] ?? 0), widths[i] ?? 0, align, i === columns.length - 1),
      )
      .join(gap)
      .trimEnd()
  const titles = columns.map(({ title }) => title)
  return [ink('dim', line(titles)), ...rows.map(line)].join('\n')
}

/** What has to be cut loses its ink. */
const cutTo = (cell: string, width: number): string =>
  displayWidth(cell) <= width ? cell : fitWidth(withoutInk(cell), width)

function pad(cell: string, width: number, align: Column['align'], isLast: boolean): string {
  const space = ' '.repeat(Math.max(0, width - displayWidth(cell)))
  if (align === 'right') return `${space}${cell}`
  return isLast ? cell : `${cell}${space}`
}
