import type { Reason } from '@reprise/core/replay'
import type { Ink } from './markup.js'
import type { Style } from './style.js'
import { wrapped } from './wrapped.js'

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

/**
 * A chain of reasons, each under the one that follows from it, and at its end what to do, unless that is among `told`, to
 * which it is added.
 */
export function chainText(chain: readonly Reason[], style: Style, told = new Set<string>()): string {
  const lines = chain.map(({ code, name, needs, text, events }, depth) => {
    const title = `${code}${name === null || codesSayIt.has(code) ? '' : ` (${style.text(name)})`}`
    const lead = `${'  '.repeat(depth)}${depth === 0 ? '' : '└ '}${style.ink(inks[needs], `${marks[needs]} ${title}`)} `
    return wrapped(style, `${style.text(text)} ${eventsText(events, style)}`.trimEnd(), lead, 2 * depth + 4)
  })
  const remedy = chain.findLast((one) => one.remedy !== null)?.remedy ?? null
  if (remedy === null || told.has(remedy)) return lines.join('\n')
  told.add(remedy)
  return [...lines, `${'  '.repeat(chain.length)}${style.ink('cyan', `$ ${style.text(remedy)}`)}`].join('\n')
}

/** `[12, 57]`. */
export const eventsText = (events: readonly number[], style: Style): string =>
  events.length === 0 ? '' : style.ink('dim', `[${events.join(',')}]`)
