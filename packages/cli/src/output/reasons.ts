import type { Reason } from '@reprise/core/replay'
import type { Ink } from './markup.js'
import type { Style } from './style.js'
import { wrapped } from './wrap.js'

const inks = { act: 'red', wait: 'yellow', nothing: 'dim' } as const satisfies Record<Reason['needs'], Ink>
const marks = { act: '!', wait: '…', nothing: '·' } as const

/** Whose name is a link that the code implies, or the code itself. */
const codesSayIt: ReadonlySet<Reason['code']> = new Set([
  ...([
    'after',
    'time',
    'received',
    'working',
    'silent',
    'unclaimed',
    'lane-busy',
    'receipt-in-inbox',
    'not-offered',
  ] as const),
])

/** Longer chains are shown by their first links and their last ones. */
const linksShown = 8
const linksFirst = 4
const linksLast = 3

/**
 * A chain of reasons, each under the one that follows from it, and at its end what to do, as far as that is not among
 * `remedies`, to which it is added.
 */
export function chainText(chain: readonly Reason[], style: Style, remedies = new Set<string>()): string {
  const told = chain.length <= linksShown ? chain : [...chain.slice(0, linksFirst), ...chain.slice(-linksLast)]
  const lines = told.flatMap(({ code, name, needs, text, events }, depth) => {
    const title = `${code}${name === null || codesSayIt.has(code) ? '' : ` (${style.text(name)})`}`
    const lead = `${'  '.repeat(depth)}${depth === 0 ? '' : '└ '}${style.ink(inks[needs], `${marks[needs]} ${title}`)} `
    const line = wrapped(style, `${style.text(text)} ${eventsText(events, style)}`.trimEnd(), lead, 2 * depth + 4)
    const isGap = told !== chain && depth === linksFirst
    return isGap ? [`${'  '.repeat(depth)}… ${chain.length - told.length} more`, line] : [line]
  })
  // Who must act somewhere in the middle does not get on by what is at the end alone.
  const acts = chain.filter(({ needs }) => needs === 'act')
  const mended = acts.length > 0 ? acts : chain.slice(-1)
  for (const { remedy } of mended) {
    if (remedy === null || remedies.has(remedy)) continue
    remedies.add(remedy)
    lines.push(`${'  '.repeat(told.length)}${style.ink('cyan', `$ ${style.text(remedy)}`)}`)
  }
  return lines.join('\n')
}

/** `[12, 57]`. */
export const eventsText = (events: readonly number[], style: Style): string =>
  events.length === 0 ? '' : style.ink('dim', `[${events.join(',')}]`)
