// What a part of the benchmarks leaves behind: rows of a table, and figures for results/latest.json.

/** @typedef {{ name: string, figure: string, target: string, reached: boolean | null }} Row `null`: for information */

/** @param {number} value */
export const whole = (value) => Math.round(value).toLocaleString('en-US')

/** @param {number} ms */
export const millis = (ms) => `${ms.toFixed(2)} ms`

/** What was measured on one adapter. */
export class Report {
  /** @param {string} title what it was measured on */
  constructor(title) {
    this.title = title
  }

  /** @type {Row[]} */
  rows = []
  /** @type {Record<string, unknown>} */
  figures = {}

  /** @param {string} name @param {string} figure @param {string} target @param {boolean} reached */
  row(name, figure, target, reached) {
    this.rows.push({ name, figure, target, reached })
  }

  /** Without a target. @param {string} name @param {string} figure */
  note(name, figure) {
    this.rows.push({ name, figure, target: '', reached: null })
  }

  print() {
    const cellsOf = (/** @type {Row} */ { name, figure, target }) => [name, figure, target]
    const widths = [0, 1, 2].map((i) => Math.max(...this.rows.map((row) => cellsOf(row)[i]?.length ?? 0)))
    for (const row of this.rows) {
      const cells = cellsOf(row).map((cell, i) => cell.padEnd(widths[i] ?? 0))
      const outcome = row.reached === null ? '' : row.reached ? 'reached' : 'missed'
      console.log(`${cells.join('  ')}  ${outcome}`.trimEnd())
    }
  }
}

/** @typedef {object} Plan what to measure
 * @property {readonly string[]} parts letters
 * @property {boolean} quick
 */

/**
 * Runs a part if it is asked for, and says so.
 * @param {Plan} plan @param {string} id @param {string} what @param {() => Promise<void>} measure
 */
export async function part({ parts }, id, what, measure) {
  if (!parts.includes(id)) return
  process.stderr.write(`(${id}) ${what} …\n`)
  await measure()
}
