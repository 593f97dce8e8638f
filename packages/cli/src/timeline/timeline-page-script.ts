/**
 * What runs in the page. Everything from outside goes into text nodes and onto a canvas, never into mark-up. Attempts that are
 * out of sight are not drawn, and those narrower than a pixel only once a pixel, so that thousands stay fluid.
 */
export const pageScript = String.raw`'use strict'
{
const data = JSON.parse(document.getElementById('data').textContent)
const at = (id) => document.getElementById(id)
const frame = at('frame'), chart = at('chart'), tip = at('tip'), pen = chart.getContext('2d')
const rowHeight = 11, laneGap = 8, top = 62, bottomGap = 16
const end = Math.max(data.to, data.from + 1)
let view = { from: data.from, to: end }, lanes = [], chosen = null, asked = false

const label = () => Math.min(180, frame.clientWidth * 0.28)
const width = () => frame.clientWidth - label() - 8
const x = (ms) => label() + ((ms - view.from) / (view.to - view.from)) * width()
const timeAt = (px) => view.from + ((px - label()) / width()) * (view.to - view.from)

for (const lane of data.lanes) {
  lane.name = lane.worker === null ? 'no answer' : lane.worker
  for (const one of lane.attempts) {
    one.lane = lane
    one.text = (lane.name + ' ' + one.task + ' ' + one.kind + ' ' + one.words).toLowerCase()
  }
}

function select(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  lanes = []
  let y = 0, count = 0
  for (const lane of data.lanes) {
    const attempts = lane.attempts.filter((one) => words.every((word) => one.text.includes(word)))
    if (attempts.length === 0) continue
    const rows = attempts.reduce((most, one) => Math.max(most, one.row + 1), 1)
    lanes.push({ name: lane.name, attempts, y, height: Math.max(16, rows * rowHeight) })
    y += Math.max(16, rows * rowHeight) + laneGap
    count += attempts.length
  }
  frame.style.height = Math.max(180, Math.min(innerHeight * 0.62, y + top + bottomGap)) + 'px'
  at('tall').style.height = Math.max(0, y + top + bottomGap - frame.clientHeight) + 'px'
  at('count').textContent = count + (count === 1 ? ' attempt in ' : ' attempts in ') + lanes.length + (lanes.length === 1 ? ' lane' : ' lanes')
  list()
  ask()
}

function ask() {
  if (asked) return
  asked = true
  requestAnimationFrame(() => { asked = false; draw() })
}

const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5, 1728e5, 6048e5, 12096e5, 31536e6]
function span(ms) {
  for (const [size, unit] of [[864e5, 'd'], [36e5, 'h'], [6e4, 'min'], [1e3, 's']]) if (Math.abs(ms) >= size) return +(ms / size).toFixed(2) + ' ' + unit
  return +ms.toFixed(2) + ' ms'
}

let colours = {}
function readColours() {
  const style = getComputedStyle(document.documentElement)
  const names = [...data.colours, 'ground', 'text', 'faint', 'line', 'held', 'recovering', 'dispatching', 'awaiting', 'evaluating', 'closed']
  colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue('--' + name)]))
}

function clipped(text, px) {
  if (pen.measureText(text).width <= px) return text
  let low = 0, high = text.length
  while (low < high) { const mid = (low + high + 1) >> 1; if (pen.measureText(text.slice(0, mid) + '…').width <= px) low = mid; else high = mid - 1 }
  return text.slice(0, low) + '…'
}

function bars(list, y, height, paint) {
  let drawn = -1
  for (const one of list) {
    if (one.to < view.from || one.from > view.to) continue
    const from = Math.max(label(), x(one.from)), to = Math.min(label() + width(), x(one.to))
    if (to <= drawn && to - from < 1) continue
    pen.fillStyle = paint(one)
    pen.fillRect(from, y, Math.max(1, to - from), height)
    drawn = Math.ceil(to)
  }
}

function draw() {
  const ratio = devicePixelRatio || 1, w = frame.clientWidth, h = frame.clientHeight, scroll = frame.scrollTop
  if (chart.width !== Math.round(w * ratio) || chart.height !== Math.round(h * ratio)) { chart.width = Math.round(w * ratio); chart.height = Math.round(h * ratio) }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0)
  pen.fillStyle = colours.ground
  pen.fillRect(0, 0, w, h)
  pen.font = '11px system-ui, sans-serif'
  pen.textBaseline = 'middle'
  bars(data.holds, top, h - top, () => colours.held)
  const least = ((view.to - view.from) * 84) / width(), step = steps.find((ms) => ms >= least) || least
  pen.strokeStyle = colours.line
  for (let t = Math.ceil((view.from - data.from) / step) * step; t <= view.to - data.from; t += step) {
    const px = x(data.from + t)
    pen.beginPath(); pen.moveTo(px, 18); pen.lineTo(px, h); pen.stroke()
    pen.fillStyle = colours.faint
    if (px + 50 < w) pen.fillText(span(t), px + 3, 10)
  }
  pen.save()
  pen.beginPath(); pen.rect(0, top, w, h - top); pen.clip()
  for (const lane of lanes) {
    const y = lane.y + top - scroll
    if (y > h || y + lane.height < top) continue
    pen.fillStyle = colours.text
    pen.fillText(clipped(lane.name, label() - 16), 10, y + 7)
    const drawn = []
    for (const one of lane.attempts) {
      if (one.to < view.from || one.from > view.to) continue
      const from = Math.max(label(), x(one.from)), to = Math.max(from + 1.5, Math.min(label() + width(), x(one.to)))
      if (to <= (drawn[one.row] || -1) && one !== chosen && one.fate === 'accepted') continue
      drawn[one.row] = to
      pen.fillStyle = colours[one.fate]
      pen.globalAlpha = one.lane.worker === null ? 0.6 : 1
      pen.fillRect(from, y + one.row * rowHeight, to - from, rowHeight - 2)
      pen.globalAlpha = 1
      if (one === chosen) { pen.strokeStyle = colours.text; pen.strokeRect(from - 1, y + one.row * rowHeight - 1, to - from + 2, rowHeight) }
    }
  }
  pen.restore()
  pen.fillStyle = colours.faint
  pen.fillText(clipped('coordinator', label() - 16), 10, 28)
  pen.fillText(clipped('mode', label() - 16), 10, 46)
  bars(data.coordinators, 22, 12, (one) => (data.coordinators.indexOf(one) % 2 ? colours.faint : colours.closed))
  bars(data.modes, 40, 12, (one) => colours[one.what] || colours.line)
}

function found(event) {
  const box = chart.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top
  if (px < label()) return null
  const time = timeAt(px), near = (3 / width()) * (view.to - view.from)
  const holds = (list) => list.find((one) => one.from - near <= time && one.to + near >= time)
  if (py < 20) return null
  if (py < 36) return { band: holds(data.coordinators) }
  if (py < top) return { band: holds(data.modes) }
  const y = py - top + frame.scrollTop
  const lane = lanes.find((one) => y >= one.y && y < one.y + one.height + laneGap)
  if (lane === undefined) return null
  const row = Math.floor((y - lane.y) / rowHeight)
  let best = null, distance = near
  for (const one of lane.attempts) {
    if (one.row !== row) continue
    const off = Math.max(one.from - time, time - one.to, 0)
    if (off <= distance) { best = one; distance = off }
  }
  return best
}

function element(name, text) { const made = document.createElement(name); made.textContent = text; return made }

function tell(event) {
  const one = found(event)
  const text = one === null || (one.band === undefined && one.task === undefined) ? '' : one.band
    ? one.band.what + ', from version ' + one.band.version + ', ' + span(one.band.to - one.band.from)
    : one.task + ', attempt ' + one.attempt + ' (' + one.kind + ') by ' + one.lane.name + ': ' + one.words + ', ' + span(one.to - one.from)
  tip.hidden = text === ''
  tip.textContent = text
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 4)) + 'px'
  tip.style.top = Math.max(4, Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 4)) + 'px'
}

function choose(one) {
  chosen = one
  const box = at('chosen')
  box.hidden = false
  const table = document.createElement('table')
  for (const [when, version, what] of one.events) {
    const row = document.createElement('tr')
    row.append(element('td', when), element('td', version === null ? '' : String(version)), element('td', what))
    table.append(row)
  }
  const command = element('code', 'reprise log ' + data.runId + " --task '" + one.task.replaceAll("'", "'\\''") + "'")
  box.replaceChildren(element('h2', one.task + ', attempt ' + one.attempt), element('p', one.kind + ', ' + one.lane.name + ', ' + one.words), table, ...(one.isExact ? [command] : []))
  ask()
}

function list() {
  const shown = []
  for (const lane of lanes) for (const one of lane.attempts) { if (shown.length === 200) break; shown.push(one) }
  at('list').replaceChildren(...shown.map((one) => {
    const button = element('button', one.task + ', attempt ' + one.attempt + ', ' + one.lane.name + ': ' + one.words)
    button.type = 'button'
    button.addEventListener('click', () => { choose(one); show(one) })
    const item = document.createElement('li')
    item.append(button)
    return item
  }))
  const all = lanes.reduce((sum, lane) => sum + lane.attempts.length, 0)
  at('more').textContent = all > shown.length ? 'and ' + (all - shown.length) + ' more: filter to find them' : ''
}

function show(one) {
  const lane = lanes.find(({ attempts }) => attempts.includes(one))
  if (lane !== undefined) frame.scrollTop = Math.max(0, lane.y + one.row * rowHeight - 60)
  if (one.from < view.from || one.to > view.to) move((one.from + one.to) / 2 - (view.from + view.to) / 2)
  at('chosen').scrollIntoView({ block: 'nearest' })
}

function zoom(factor, centre = (view.from + view.to) / 2) {
  const length = Math.min(end - data.from, Math.max(1, (view.to - view.from) * factor))
  const share = (centre - view.from) / (view.to - view.from)
  view = { from: centre - share * length, to: centre + (1 - share) * length }
  move(0)
}
function move(ms) {
  const length = view.to - view.from, from = Math.min(end - length, Math.max(data.from, view.from + ms))
  view = { from, to: from + length }
  ask()
}

let drag = null
chart.addEventListener('pointerdown', (event) => { drag = { x: event.clientX, from: event.clientX }; chart.setPointerCapture(event.pointerId) })
chart.addEventListener('pointermove', (event) => {
  if (drag === null) return tell(event)
  tip.hidden = true
  move(((drag.x - event.clientX) / width()) * (view.to - view.from))
  drag.x = event.clientX
})
chart.addEventListener('pointerup', (event) => {
  const isClick = drag !== null && Math.abs(event.clientX - drag.from) < 4
  drag = null
  const one = isClick ? found(event) : null
  if (one !== null && one.task !== undefined) choose(one)
})
chart.addEventListener('pointercancel', () => { drag = null })
chart.addEventListener('pointerleave', () => { tip.hidden = true })
chart.addEventListener('dblclick', (event) => zoom(0.4, timeAt(event.clientX - chart.getBoundingClientRect().left)))
frame.addEventListener('wheel', (event) => {
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault()
    zoom(Math.exp(event.deltaY / 200), timeAt(event.clientX - chart.getBoundingClientRect().left))
  } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    event.preventDefault()
    move((event.deltaX / width()) * (view.to - view.from))
  }
}, { passive: false })
frame.addEventListener('scroll', ask)
frame.addEventListener('keydown', (event) => {
  const part = (view.to - view.from) / 8
  const act = { '+': () => zoom(0.6), '=': () => zoom(0.6), '-': () => zoom(1.6), 0: () => zoom(Infinity), ArrowLeft: () => move(-part), ArrowRight: () => move(part) }[event.key]
  if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return
  event.preventDefault()
  act()
})
at('closer').addEventListener('click', () => zoom(0.6))
at('wider').addEventListener('click', () => zoom(1.6))
at('all').addEventListener('click', () => { view = { from: data.from, to: end }; ask() })
at('tools').addEventListener('submit', (event) => event.preventDefault())
let waiting
at('filter').addEventListener('input', (event) => { clearTimeout(waiting); waiting = setTimeout(() => { frame.scrollTop = 0; select(event.target.value) }, 80) })
addEventListener('resize', () => select(at('filter').value))
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { readColours(); ask() })
readColours()
select('')
}
`
