import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Script } from 'node:vm'
import { type Timeline, timelineOf } from '@reprise/core/replay'
import { TestFolders } from '@reprise/test-fleet'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { timeline as timelineCommand } from '../src/commands/timeline.js'
import { displayWidth } from '../src/output/display-width.js'
import { withoutInk } from '../src/output/markup.js'
import { Style } from '../src/output/style.js'
import { terminalText } from '../src/timeline/terminal-text.js'
import { timelineHtml } from '../src/timeline/timeline-html.js'
import { timelineSvg } from '../src/timeline/timeline-svg.js'
import { drawnRun, goldenRun, type Names, plainNames, putLines } from './drawn-run.js'
import { reprise, repriseJson } from './reprise.js'
import { inTerminal, withoutColours } from './terminal.js'

// Some start processes, which takes as long as a busy machine makes them take.
vi.setConfig({ testTimeout: 120_000 })
const folders = new TestFolders()
afterEach(() => folders.removeAll())

async function folderOf(lines: readonly string[]): Promise<string> {
  const dir = join(await folders.make(), '.reprise')
  await putLines(dir, goldenRun, lines)
  return dir
}
async function drawn(names: Names = plainNames): Promise<Timeline> {
  const found = await timelineOf(drawnRun(names).map((line) => JSON.parse(line).commit))
  expect(found).not.toBe(null)
  return found as Timeline
}

/** Everything that somebody might write into an id or a reason. */
const hostile: readonly [what: string, text: string][] = [
  ['mark-up', '<script>alert(1)</script><img src=x onerror=alert(1)>"\'>&lt;&#60;'],
  ['ends of sections', ']]> --> </title></style></svg></script></desc> <!-- <![CDATA['],
  ['terminal escapes', '\u001b[31mred\u001b[0m \u001b]8;;http://x\u0007 \u009b2J \r\n\t\b'],
  ['bidi and invisible characters', '\u202eevil\u202c \u2066x\u2069 \u200b\ufeff \u{e0041} \u2028\u2029'],
  ['halves of characters and what XML forbids', '\ud800 \udc00 \uffff \ufffe \u0000 \u0001 \u{fdd0}\u{fdd8}'],
  ['30 KB', `${'x'.repeat(30_000)}<`],
]
const namesOf = (text: string): Names => ({ worker: (i) => `${text}${i}`, task: (i) => `${text}/${i}`, text })
/** What a terminal would obey, or nobody would see; line ends are between the lines of ours. */
const dangerous =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufdd0-\ufdef\u{e0000}-\u{e007f}\p{Cs}]/u

describe('reprise timeline', () => {
  it.each([40, 80, 120])('fits a terminal of %i columns', async (columns) => {
    const dir = await folderOf(drawnRun())
    const { code, text } = await inTerminal(['timeline', goldenRun, '--at', dir], { columns })
    expect(code).toBe(0)
    const lines = withoutColours(text).split('\n')
    expect(lines.filter((line) => displayWidth(line) > columns)).toEqual([])
    expect(text).not.toBe(withoutColours(text))
    await expect(withoutColours(text)).toMatchFileSnapshot(`golden/timeline-${columns}.txt`)
  })

  it('is ASCII where the locale is not UTF-8, and has signs for what colours say', async () => {
    const dir = await folderOf(drawnRun())
    const env = { LC_ALL: 'C', NO_COLOR: '1' }
    const { text } = await inTerminal(['timeline', goldenRun, '--at', dir], { env })
    expect(text).toMatch(/^[\n\u0020-\u007e]*$/)
    expect(text).toMatch(/^worker-2 +1*x$/m)
    expect(text).toMatch(/^no answer .*!/m)
    await expect(text).toMatchFileSnapshot('golden/timeline-ascii.txt')
  })

  it('writes its files whole, and gives the documented JSON', async () => {
    const cwd = await folders.make()
    await putLines(join(cwd, '.reprise'), goldenRun, drawnRun())
    const { code, json } = await repriseJson(['timeline', goldenRun, '--svg', 'a.svg', '--html', 'b.html'], { cwd })
    expect(code).toBe(0)
    expect(timelineCommand.schema.parse(json)).toEqual(json)
    expect(json.files).toEqual(['a.svg', 'b.html'])
    expect((await readdir(cwd)).sort()).toEqual(['.reprise', 'a.svg', 'b.html'])
    const { files: _files, ...shown } = json
    expect(await readFile(join(cwd, 'a.svg'), 'utf8')).toBe(timelineSvg(shown))
    expect(await readFile(join(cwd, 'b.html'), 'utf8')).toBe(timelineHtml(shown))
  })

  it('fails for a run or folder that is not there', async () => {
    const cwd = await folders.make()
    await putLines(join(cwd, '.reprise'), goldenRun, drawnRun())
    expect(await reprise(['timeline', 'run-2'], { cwd })).toMatchObject({ code: 3, stdout: '' })
    expect(await reprise(['timeline', goldenRun, '--svg', 'no/such.svg'], { cwd })).toMatchObject({ code: 3 })
    expect(await readdir(cwd)).toEqual(['.reprise'])
  })
})

describe('a drawing of a timeline', () => {
  it('shows clocks that do not agree, and what was left out', async () => {
    const timeline = {
      ...(await drawn()),
      skewed: 3,
      leftOut: { attempts: 5, lanes: 1, coordinators: 0, modes: 0, holds: 0 },
    }
    const texts = [
      terminalText(timeline, new Style(80), { width: 80, lanesMax: 40 }),
      timelineSvg(timeline),
      timelineHtml(timeline),
    ]
    for (const text of texts) {
      const flat = text.replaceAll('&#39;', "'").replaceAll('\n', ' ')
      expect(flat).toContain("Clock skew: 3 attempts have a time on the worker's clock")
      expect(flat).toContain('Left out, the oldest first: 5 attempts, 1 lanes')
    }
  })

  it.each(hostile)('in the terminal is harmless and fits with %s in every place', async (_, text) => {
    const timeline = await drawn(namesOf(text))
    for (const unicode of [true, false]) {
      const lines = withoutInk(terminalText(timeline, new Style(60, unicode), { width: 60, lanesMax: 40 })).split('\n')
      expect(lines.filter((line) => displayWidth(line) > 60)).toEqual([])
      expect(lines.filter((line) => dangerous.test(line))).toEqual([])
      expect(lines.filter((line) => line.includes('evil')).every((line) => line.includes('\\u{202e}'))).toBe(true)
    }
  })

  it.each(hostile)('as SVG is well formed and harmless with %s in every place', async (_, text) => {
    const svg = timelineSvg(await drawn(namesOf(text)))
    expect(svg).not.toMatch(dangerous)
    expect(svg).not.toMatch(/[\ufffe\uffff]/)
    expect(tagsOf(svg)).toEqual(tagsOf(timelineSvg(await drawn())))
    expect(svg.length).toBeLessThan(100_000)
  })

  it.each(hostile)(
    'as a page has one script, known by its hash, and nothing of its data in mark-up with %s',
    async (_, text) => {
      const html = timelineHtml(await drawn(namesOf(text)))
      expect(html).not.toMatch(dangerous)
      expect(tagsOf(html)).toEqual(tagsOf(timelineHtml(await drawn())))
      const [, json = ''] = /<script type="application\/json" id="data">(.*)<\/script>/.exec(html) ?? []
      const data = JSON.parse(json)
      expect(data.lanes).toHaveLength(4)
      expect(json).not.toMatch(/[<>&]/)
      const [, script = ''] = /<script>([\s\S]*)<\/script>\n<\/body>/.exec(html) ?? []
      expect(html).toContain(`script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'`)
      expect(() => new Script(script)).not.toThrow()
    },
  )

  it('as a page loads nothing, and makes no mark-up from texts', async () => {
    const html = timelineHtml(await drawn())
    expect(html).toContain("content=\"default-src 'none'; script-src 'sha256-")
    expect(html).not.toMatch(
      /https?:|\bsrc=|\bhref=|url\(|@import|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b/,
    )
    expect(html).not.toMatch(/<[^>]* (style|on[a-z]+)=/)
  })
})

/** Names of all tags, in order, and that each that is opened is closed; whatever is not a tag has no `<`. */
function tagsOf(text: string): string[] {
  const markup = text
    .replace(/<script>[\s\S]*?<\/script>/g, '<script></script>')
    .replace(/<style>[\s\S]*?<\/style>/g, '<style></style>')
  const tags = [...markup.matchAll(/<(\/?)([a-z0-9!]+)((?:[^<>"]|"[^"<]*")*?)(\/?)>/g)]
  expect(tags).toHaveLength(markup.split('<').length - 1)
  const names = tags.map(([, slash = '', name = '']) => `${slash}${name}`)
  const alone = new Set(['!doctype', 'meta', 'input'])
  const open: string[] = []
  for (const [, slash, name = '', , closed] of tags) {
    if (slash === '/') expect(open.pop()).toBe(name)
    else if (closed !== '/' && !alone.has(name)) open.push(name)
  }
  expect(open).toEqual([])
  return names
}
