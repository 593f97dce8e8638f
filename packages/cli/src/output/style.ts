import { type Ink, ink } from './markup.js'
import { type Column, table } from './table.js'
import { plain } from './visible.js'

/** What a human form is made with. Values from outside go through `text`; everything else that is hidden is escaped later. */
export class Style {
  /**
   * `width`: columns of the terminal; infinite where there is none, so that nothing is cut in pipes. `unicode`: drawings may be
   * made of more than ASCII.
   */
  constructor(
    readonly width: number,
    readonly unicode = true,
  ) {}

  /** A value from outside, on one line. */
  text(value: unknown): string {
    return plain(value)
  }

  ink(name: Ink, text: string): string {
    return ink(name, text)
  }

  /** A name and its value, one per line, the values under each other. */
  pairs(pairs: readonly (readonly [name: string, value: string])[]): string {
    const widest = Math.max(0, ...pairs.map(([name]) => name.length))
    return pairs.map(([name, value]) => `${ink('dim', name.padEnd(widest))}  ${value}`).join('\n')
  }

  table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
    return table(columns, rows, this.width)
  }

  /** Statuses have the same colour everywhere. */
  status(status: string): string {
    return ink(statusInks[status] ?? 'bold', plain(status))
  }
}

const statusInks: Readonly<Record<string, Ink>> = {
  running: 'cyan',
  'awaiting-result': 'cyan',
  paused: 'yellow',
  blocked: 'red',
  complete: 'green',
  failed: 'red',
}
