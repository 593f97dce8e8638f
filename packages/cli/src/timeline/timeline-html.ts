import { createHash } from 'node:crypto'
import type { AttemptSpan, Timeline } from '@reprise/core/replay'
import { duration } from '../output/times.js'
import { plain } from '../output/visible.js'
import { clip, fateOf, fateWords } from './attempt-text.js'
import { markupText, scriptJson } from './markup-text.js'
import { type PackedAttempt, packLane } from './pack-rows.js'
import { remarksOf } from './remarks.js'
import { colourRules, fateColours } from './timeline-colours.js'
import { pageScript } from './timeline-page-script.js'
import { pageStyle } from './timeline-page-style.js'

const rowsMax = 48
const idMax = 512

/** The timeline as one page that loads nothing and sends nothing; its only script is known to it by its hash. */
export function timelineHtml(timeline: Timeline): string {
  const { runId, from, to, closed } = timeline
  const title = `Timeline of run ${clip(runId)}`
  const length = duration(Date.parse(to.at) - Date.parse(from.at))
  const facts = `${closed ?? 'open'}, versions ${from.version} to ${to.version}, ${from.at} to ${to.at} (${length})`
  const style = `${colourRules()}${pageStyle}`
  const policy = `default-src 'none'; script-src '${hashOf(pageScript)}'; style-src '${hashOf(style)}'; base-uri 'none'; form-action 'none'`
  const legend = Object.entries(fateWords).map(([fate, words]) => `<li><i class="${fate}"></i>${words}</li>`)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${markupText(title)}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${markupText(clip(runId))}</h1>
<p>${markupText(facts)}</p>
${remarksOf(timeline)
  .map((remark) => `<p class="remark">${markupText(remark)}</p>`)
  .join('\n')}
<form id="tools">
<label>Filter <input id="filter" type="search" placeholder="worker, task, kind or fate" autocomplete="off" spellcheck="false"></label>
<button type="button" id="closer" title="Zoom in (+)">Closer</button>
<button type="button" id="wider" title="Zoom out (-)">Wider</button>
<button type="button" id="all" title="Show all (0)">All</button>
<output id="count"></output>
</form>
<ul id="legend">${legend.join('')}</ul>
</header>
<main>
<div id="frame" tabindex="0" role="application" aria-label="Timeline. Arrow keys move, + and - zoom, 0 shows all. The list below holds the same attempts.">
<canvas id="chart" aria-hidden="true"></canvas><div id="tall"></div>
</div>
<div id="tip" hidden></div>
<section id="chosen" aria-live="polite" hidden></section>
<section aria-labelledby="list-title"><h2 id="list-title">Attempts</h2><ol id="list"></ol><p id="more"></p></section>
</main>
<noscript>This page draws with a script. Without one, use reprise timeline --svg.</noscript>
<script type="application/json" id="data">${scriptJson(pageData(timeline))}</script>
<script>${pageScript}</script>
</body>
</html>
`
}

const hashOf = (text: string): string => `sha256-${createHash('sha256').update(text).digest('base64')}`

/** What the script draws: texts are made harmless here, and put into text nodes there. */
function pageData(timeline: Timeline): unknown {
  const { runId, from, to } = timeline
  const until = (end: { at: string } | null) => Date.parse(end?.at ?? to.at)
  const shown = (text: string) => plain(clip(text, idMax))
  const times = (stretch: { from: { at: string; version: number }; to: { at: string } | null }) => ({
    ...{ from: Date.parse(stretch.from.at), to: until(stretch.to), version: stretch.from.version },
  })
  return {
    runId: shown(runId),
    from: Date.parse(from.at),
    to: Date.parse(to.at),
    colours: Object.keys(fateColours),
    coordinators: timeline.coordinators.map((one) => ({
      what: `${shown(one.id)} (${shown(one.reason)})`,
      ...times(one),
    })),
    modes: timeline.modes.map((one) => ({ what: one.mode, ...times(one) })),
    holds: timeline.holds.map((one) => ({ what: `${one.kind}: ${shown(one.reason)}`, ...times(one) })),
    lanes: timeline.lanes.map((lane) => {
      const { worker, rows, attempts } = packLane(lane, to.at, rowsMax)
      return { worker: worker === null ? null : shown(worker), rows, attempts: attempts.map(pageAttempt) }
    }),
  }
}

function pageAttempt({ span, from, to, row }: PackedAttempt): unknown {
  const fate = fateOf(span)
  const task = plain(clip(span.taskId, idMax))
  return {
    ...{ from: finite(from), to: finite(to), row, fate, words: fateWords[fate], attempt: span.attempt },
    task,
    // What is shown otherwise than it is cannot be asked for by what is shown.
    isExact: task === span.taskId,
    kind: plain(clip(span.kind, idMax)),
    events: eventsOf(span),
  }
}

const finite = (at: string): number => {
  const ms = Date.parse(at)
  return Number.isFinite(ms) ? ms : 0
}

/** Its events, in order: when, at which version, and what. */
function eventsOf(span: AttemptSpan): [at: string, version: number | null, what: string][] {
  const { dispatched, startedAt, finishedAt, recorded, ended, status, refused, worker, lane, owner } = span
  const events: [string, number | null, string][] = [
    [
      dispatched.at,
      dispatched.version,
      `dispatched on lane ${plain(clip(lane))}${owner === null ? '' : `, owner ${plain(clip(owner))}`}`,
    ],
  ]
  const who = plain(clip(worker ?? ''))
  if (startedAt !== null) events.push([plain(clip(startedAt, 30)), null, `started by ${who}, on its clock`])
  if (finishedAt !== null) events.push([plain(clip(finishedAt, 30)), null, `finished: ${status}`])
  if (recorded !== null) events.push([recorded.at, recorded.version, 'its receipt was recorded'])
  if (refused > 0) events.push(['', null, `refused receipts for it: ${refused}`])
  if (ended !== null) events.push([ended.at, ended.version, ended.how])
  return events
}
