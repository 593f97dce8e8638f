import type { Acted } from '../acted-document.js'
import type { Style } from './style.js'

/** What an acting command did, for people. */
export function actedText(acted: Acted, style: Style): string {
  const { events, eventsTotal, version, how, takenUp, runId } = acted
  const lines = events.filter(({ type }) => type !== 'mode-changed').map(({ text }) => style.text(text))
  const more = eventsTotal - events.length
  if (more > 0) lines.unshift(style.ink('dim', `… ${more} events before these`))
  const at = `${style.text(runId)} is at version ${version}`
  if (version === null) lines.push(`sent; whoever holds ${style.text(runId)}, now or later, decides it`)
  else if (how === 'sent') lines.push(style.ink('dim', `${at}; its holder decided this`))
  else lines.push(style.ink('dim', `${at}${cameBack(takenUp, style)}`))
  return [...lines, ...tokenLines(acted, style)].join('\n')
}

/** What who passed a token must read before using the next one. */
export function tokenLines({ changes, token }: Pick<Acted, 'changes' | 'token'>, style: Style): string[] {
  if (changes === null || token === null) return []
  return [`since your token, ${changesText(changes, style)}`, `next token: ${token}`]
}

/** Who held the run, and its modes, are a matter of course: most of a log that is worked on by commands. */
const ofCourse: ReadonlySet<string> = new Set(['lock-acquired', 'lock-released', 'mode-changed', 'resumed'])

/** How many events there were, and what those say that somebody may want to know of. */
export function changesText({ total, newest }: NonNullable<Acted['changes']>, style: Style): string {
  const told = newest.filter(({ type }) => !ofCourse.has(type))
  const older = total - newest.length
  const before = older > 0 ? ` The ${older} oldest are not shown.` : ''
  const hidden = newest.length - told.length
  const left = hidden > 0 ? ` ${hidden} only say who held it.` : ''
  const lines = told.map(({ version, at, text }) => `  ${style.ink('dim', `${version}  ${at}`)}  ${style.text(text)}`)
  return [`${total} events.${left}${before}`, ...lines].join('\n')
}

/** Only if there is anything to tell. */
const cameBack = (takenUp: Acted['takenUp'], style: Style): string =>
  takenUp === null || takenUp.receipts.startsWith('0 receipts had arrived; 0 wait')
    ? ''
    : `; when it was taken for this, ${style.text(takenUp.receipts)}`
