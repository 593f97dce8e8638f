import { counted, excerpt } from '../output/excerpt.js'
import type { Style } from '../output/style.js'
import { wrapped, wrappedPairs } from '../output/wrap.js'
import type { Bisected } from './bisect-schema.js'

const textMax = 500

/** What was found, and where to look further. */
export function bisectPage(bisected: Bisected, style: Style): string {
  const { runId, found, events, absent, when } = bisected
  if (runId === null) return invariantsPage(bisected, style)
  const missing =
    absent === null
      ? []
      : [
          wrapped(
            style,
            style.ink(
              'dim',
              `At ${counted(absent.events, 'event')} it asked for what was not there, first at ${absent.first.version}: ${style.text(absent.first.what)}.`,
            ),
          ),
        ]
  if (found === null) {
    const what = when === null ? noneBroken(bisected) : 'The condition never holds'
    return [`${what}: ${counted(events, 'event')} of ${style.text(runId)} were looked at.`, ...missing].join('\n')
  }
  return [
    headOf(bisected, found, style),
    ...missing,
    whereOf(found, style),
    change(found, style),
    further(runId, found, style),
  ].join('\n\n')
}

function noneBroken({ invariants }: Bisected): string {
  const [only] = invariants
  return invariants.length === 1 ? `The invariant ${only?.name} holds` : `All ${invariants.length} invariants hold`
}

type Found = NonNullable<Bisected['found']>

function headOf({ runId, when }: Bisected, { version, broken }: Found, style: Style): string {
  const at = style.ink('bold', `event ${version} of ${style.text(runId)}`)
  const text =
    broken === null
      ? `The condition holds for the first time at ${at}: ${style.text(when)}`
      : `${style.ink('red', broken.invariant)} is broken for the first time at ${at}: ${excerpt(style, broken.problem, textMax)}`
  return wrapped(style, text)
}

const whereOf = ({ index, at, actor, epoch, type, text, cause }: Found, style: Style): string =>
  wrappedPairs(style, [
    ['event', style.text(type)],
    ['says', excerpt(style, text, textMax)],
    ['commit', `${index}, by ${style.text(actor)} in epoch ${epoch}`],
    ['time', style.text(at)],
    ...(cause === null ? [] : [['answers', `message ${cause.seq} of ${style.text(cause.sender)}`] as const]),
  ])

function change({ before, after }: Found, style: Style): string {
  const names = [...new Set([...Object.keys(before.counts), ...Object.keys(after?.counts ?? {})])]
  const changed = names.filter((name) => after !== null && before.counts[name] !== after.counts[name])
  const row = (title: string, value: (of: Found['before']) => string) => [
    title,
    value(before),
    after === null ? '?' : value(after),
  ]
  const rows = [
    row('version', ({ version }) => String(version)),
    row('status', ({ status }) => style.status(status)),
    row('mode', ({ mode }) => mode),
    row('reason', ({ reason }) => (reason === null ? '' : excerpt(style, reason, 80))),
    row('epoch', ({ epoch }) => String(epoch)),
    ...changed.map((name) => row(name, ({ counts }) => String(counts[name]))),
    row('tokens', ({ spent }) => String(spent.tokens)),
  ].filter(([title, a, b]) => ['version', 'status', 'mode'].includes(title ?? '') || a !== b)
  return style.table([{ title: '' }, { title: 'before', shrinks: true }, { title: 'after', shrinks: true }], rows)
}

/** Commands of a shell, that go on from here. */
function further(runId: string, { version }: Found, style: Style): string {
  const run = style.text(runId)
  const lines = [
    `reprise show ${run}@${version}`,
    `reprise diff ${run} ${version - 1} ${version}`,
    `reprise log ${run} --since ${Math.max(0, version - 10)}`,
  ]
  return [style.ink('dim', 'To look further:'), ...lines.map((line) => `  ${line}`)].join('\n')
}

function invariantsPage({ invariants }: Bisected, style: Style): string {
  return invariants
    .map(({ name, says, shows }) => {
      const text = wrapped(style, `${says} ${style.ink('dim', `(${shows.join(', ')})`)}`, '  ')
      return `${style.ink('bold', name)}\n${text}`
    })
    .join('\n')
}
