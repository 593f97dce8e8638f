import type { Acted } from '../act.js'
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
  const since = changes.newest.map(({ version, text }) => style.ink('dim', `  ${version}  ${style.text(text)}`))
  return [style.ink('dim', `since your token, ${changes.total} events:`), ...since, `next token: ${token}`]
}

/** Only if there is anything to tell. */
const cameBack = (takenUp: Acted['takenUp'], style: Style): string =>
  takenUp === null || takenUp.receipts.startsWith('0 receipts had arrived; 0 wait')
    ? ''
    : `; when it was taken for this, ${style.text(takenUp.receipts)}`
