import type { Timeline } from '@reprise/core/replay'
import { duration } from '../output/times.js'
import { attemptLine, clip, type Fate, fateOf, fateWords } from './attempt-text.js'
import { markupText } from './markup-text.js'
import { packLane } from './pack-rows.js'
import { remarksOf } from './remarks.js'
import { ticksOf, timeScale } from './time-scale.js'
import { colourRules, fateColours } from './timeline-colours.js'

const [width, labelWidth, margin] = [1_200, 170, 16]
const [rowHeight, laneGap, bandHeight] = [10, 8, 16]
const rowsMax = 24

/** The timeline as a picture: static, with a text for each thing in it, on light and dark ground. */
export function timelineSvg(timeline: Timeline): string {
  const { runId, from, to, closed } = timeline
  const scale = timeScale(timeline, width - labelWidth - 2 * margin)
  const left = margin + labelWidth
  const x = (at: string) => round(left + scale.place(at))
  const box = (start: string, end: string, y: number, height: number, attributes: string, title: string, least = 1) =>
    `<rect x="${x(start)}" y="${y}" width="${Math.max(least, round(x(end) - x(start)))}" height="${height}" ${attributes}><title>${markupText(title)}</title></rect>`
  const until = (end: { at: string } | null) => end?.at ?? to.at
  const label = (text: string, y: number) =>
    `<text class="f" x="${left - 8}" y="${y + 11}" text-anchor="end">${markupText(clip(text, 26))}<title>${markupText(clip(text))}</title></text>`

  const bands: string[] = []
  let y = 78
  const axisTop = y - 4
  bands.push(label('coordinator', y))
  for (const [i, { id, epoch, reason, from: start, to: end }] of timeline.coordinators.entries()) {
    const title = `${clip(id)}, epoch ${epoch} (${reason}), from ${start.at} to ${until(end)}`
    bands.push(box(start.at, until(end), y, bandHeight - 4, `class="c${i % 2}"`, title))
  }
  y += bandHeight
  bands.push(label('mode', y))
  for (const { mode, from: start, to: end } of timeline.modes) {
    bands.push(
      box(start.at, until(end), y, bandHeight - 4, `fill="var(--${mode})"`, `${mode} from version ${start.version}`, 0),
    )
  }
  y += bandHeight + laneGap
  const lanesTop = y
  const lanes: string[] = []
  for (const lane of timeline.lanes) {
    const { worker, rows, attempts } = packLane(lane, to.at, rowsMax)
    lanes.push(`<g><title>${markupText(worker === null ? 'attempts that nobody has answered' : clip(worker))}</title>`)
    lanes.push(label(worker ?? 'no answer', y))
    for (const { span, from: start, to: end, row } of attempts) {
      const fate = fateOf(span)
      const faint = worker === null ? ' opacity="0.55"' : ''
      const attributes = `rx="1.5" class="${fate}"${faint}`
      lanes.push(box(start, end, y + row * rowHeight, rowHeight - 2, attributes, attemptLine(span), 1.5))
    }
    lanes.push('</g>')
    y += Math.max(bandHeight, rows * rowHeight) + laneGap
  }
  const holds = timeline.holds.map(({ kind, reason, from: start, to: end }) =>
    box(start.at, until(end), lanesTop - 4, Math.max(8, y - lanesTop), 'class="h"', `${kind}: ${clip(reason)}`),
  )
  const axis = ticksOf(scale, 90).map(({ x: at, label: text }) => {
    const place = round(left + at)
    return `<line class="l" x1="${place}" x2="${place}" y1="${axisTop}" y2="${y}"/><text class="f" x="${place + 3}" y="${axisTop - 4}">${text}</text>`
  })
  const length = duration(scale.endMs - scale.startMs)
  const title = `Timeline of run ${clip(runId)}`
  const facts = `${closed ?? 'open'}, versions ${from.version} to ${to.version}, ${from.at} to ${to.at} (${length})`
  const counts = `${timeline.lanes.reduce((sum, { attempts }) => sum + attempts.length, 0)} attempts in ${timeline.lanes.length} lanes`
  const remarks = remarksOf(timeline)
  const legend = legendOf(timeline, y + 8)
  const height = legend.bottom + remarks.length * 16 + margin
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" style="max-width:100%;height:auto" role="img" aria-labelledby="title desc">`,
    `<title id="title">${markupText(title)}</title>`,
    `<desc id="desc">${markupText(`${facts}; ${counts}. One row of bars per worker; the title of each bar tells its attempt.`)}</desc>`,
    `<style>${colourRules()}text{font:12px system-ui,sans-serif;fill:var(--text)}.f{fill:var(--faint);font-size:11px}.l{stroke:var(--line)}.h{fill:var(--held)}.c0{fill:var(--faint)}.c1{fill:var(--faint);opacity:.55}${fateRules()}</style>`,
    `<rect width="${width}" height="${height}" fill="var(--ground)"/>`,
    `<text x="${margin}" y="24" style="font-size:15px;font-weight:600">${markupText(clip(runId, 100))}</text>`,
    `<text class="f" x="${margin}" y="42">${markupText(`${facts}; ${counts}`)}</text>`,
    ...holds,
    ...axis,
    ...bands,
    ...lanes,
    legend.text,
    ...remarks.map(
      (text, i) => `<text class="f" x="${margin}" y="${legend.bottom + 11 + i * 16}">${markupText(text)}</text>`,
    ),
    '</svg>',
    '',
  ].join('\n')
}

const round = (value: number): number => Math.round(value * 100) / 100

const fateRules = (): string =>
  Object.keys(fateColours)
    .map((fate) => `.${fate}{fill:var(--${fate})}`)
    .join('')

/** Signs with their meanings, on as many rows as they need. */
function legendOf({ modes, holds }: Timeline, top: number): { text: string; bottom: number } {
  const entries = [
    ...(Object.keys(fateColours) as Fate[]).map((fate) => [`var(--${fate})`, fateWords[fate]] as const),
    ...[...new Set(modes.map(({ mode }) => mode))].map((mode) => [`var(--${mode})`, mode] as const),
    ...(holds.length > 0 ? [['var(--held)', 'paused or blocked'] as const] : []),
  ]
  let [x, y, text] = [margin + labelWidth, top, '']
  for (const [colour, word] of entries) {
    const wide = 26 + word.length * 6.4
    if (x + wide > width) [x, y] = [margin + labelWidth, y + 17]
    text += `<rect x="${round(x)}" y="${y}" width="9" height="9" fill="${colour}"/><text class="f" x="${round(x + 13)}" y="${y + 9}">${word}</text>`
    x += wide
  }
  return { text, bottom: y + 17 }
}
