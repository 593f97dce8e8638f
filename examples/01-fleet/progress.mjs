// How far it is: a bar that redraws itself on a terminal, a plain line about every second elsewhere.
import { whole } from './report.mjs'

const barMs = 60
const lineMs = 1_000

/** @typedef {{ what: string, done: number, total: number, aside: string }} Position */

export class Progress {
  #stream
  #isTerminal
  #hasColour
  #startedAt = performance.now()
  #shownAt = performance.now()
  /** @type {Position | null} */
  #position = null
  #drawn = false

  /** @param {NodeJS.WriteStream} stream @param {NodeJS.ProcessEnv} env */
  constructor(stream, env) {
    this.#stream = stream
    this.#isTerminal = stream.isTTY === true && env.TERM !== 'dumb'
    this.#hasColour = this.#isTerminal && !env.NO_COLOR
    // One large file can take long; time goes on meanwhile.
    setInterval(() => this.#position !== null && this.#isDue(lineMs) && this.#draw(this.#position), lineMs / 4).unref()
  }

  /** @param {string} what @param {number} done @param {number} total @param {string} [aside] */
  show(what, done, total, aside = '') {
    const isOver = done >= total
    // The end of a stage is shown whenever it comes, and once.
    if (isOver && this.#position === null) return
    this.#position = { what, done, total, aside }
    if (isOver || this.#isDue(this.#isTerminal ? barMs : lineMs)) this.#draw(this.#position)
    if (isOver) this.#position = null
  }

  /** A line that stays. @param {string} text */
  say(text) {
    this.clear()
    this.#stream.write(`${text}\n`)
  }

  clear() {
    if (this.#drawn) this.#stream.write('\r\x1b[K')
    this.#drawn = false
  }

  /** @param {string} text @param {'green' | 'red'} colour */
  paint(text, colour) {
    return this.#hasColour ? `\x1b[${{ green: 32, red: 31 }[colour]}m${text}\x1b[0m` : text
  }

  /** @param {number} ms */
  #isDue(ms) {
    return performance.now() - this.#shownAt >= ms
  }

  /** @param {Position} position */
  #draw({ what, done, total, aside }) {
    this.#shownAt = performance.now()
    const seconds = ((this.#shownAt - this.#startedAt) / 1000).toFixed(1)
    const text = [`${whole(done)} of ${whole(total)} ${what}`, ...(aside ? [aside] : []), `${seconds} s`].join(' · ')
    if (!this.#isTerminal) return void this.#stream.write(`${text}\n`)
    const columns = Math.max((this.#stream.columns || 80) - 1, 10)
    const width = Math.min(columns - text.length - 1, 40)
    const bar = width >= 5 ? `${this.#bar(done / total, width)} ` : ''
    this.#stream.write(`\r\x1b[K${bar}${text.slice(0, columns)}`)
    this.#drawn = true
  }

  /** @param {number} share @param {number} width */
  #bar(share, width) {
    const full = Math.round(share * width)
    return this.paint('█'.repeat(full), 'green') + '░'.repeat(width - full)
  }
}
