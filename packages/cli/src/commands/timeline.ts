import { commitsFrom, timelineOf } from '@reprise/core/replay'
import { defineCommand } from '../command.js'
import { usage } from '../command-failure.js'
import { runIdOf, unknownRun, wholeNumber } from '../read-values.js'
import { terminalText } from '../timeline/terminal-text.js'
import { timelineHtml } from '../timeline/timeline-html.js'
import { timelineSchema } from '../timeline/timeline-schema.js'
import { timelineSvg } from '../timeline/timeline-svg.js'
import { writeWholeFile } from '../write-whole-file.js'

const [widthLeast, widthDefault] = [30, 100]

export const timeline = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run' } },
  options: {
    from: { says: 'leave out what had ended before this version', value: 'VERSION' },
    to: { says: 'read no further than this version', value: 'VERSION' },
    svg: { says: 'write a picture instead', value: 'FILE', what: 'file' },
    html: { says: 'write a page to look around in instead', value: 'FILE', what: 'file' },
    width: { says: "columns; default: the terminal's, 100 in pipes", value: 'N' },
    lanes: { says: 'lanes that are drawn; default: 40', value: 'N' },
  },
  details: `One lane per worker: when it worked on attempts, as it says itself, and what became of them; a lane for attempts that
nobody has answered; and above them coordinators, modes, and when the run was paused or blocked. Changes nothing. Reads and
checks the log up to --to. Of a long log it keeps the newest 5000 attempts and the 256 busiest lanes, and says what it left out.

Starts and ends of work are on the clocks of the workers, everything else on those of the coordinators. Where the two cannot
both be right, it says so: nothing is moved to look better.

--svg FILE is static, with a text for everything in it. --html FILE is one file that loads nothing: hover or click an attempt,
filter by worker or task, zoom. Neither shows inputs or outputs. In a locale that is not UTF-8 the terminal form is ASCII.`,
  examples: [
    { line: 'timeline digest-src', says: 'in the terminal' },
    { line: 'timeline digest-src --html timeline.html', says: 'as a page' },
    { line: 'timeline digest-src --from 5000 --to 6000 --svg part.svg', says: 'a part of it, as a picture' },
  ],
  output: 'document',
  schema: timelineSchema,
  run: async (context, { args, options }) => {
    const runId = runIdOf(args.RUN)
    const version = (name: 'from' | 'to') =>
      options[name] === undefined ? undefined : wholeNumber(options[name], `--${name}`, 1)
    const [from, to] = [version('from'), version('to')]
    if (from !== undefined && to !== undefined && from > to) throw usage(`--from ${from} is behind --to ${to}.`)
    readSizes(options, context.style.width)
    const { log } = await context.open()
    const found = await timelineOf(commitsFrom(log, runId), { from, to })
    if (found === null) throw unknownRun(runId, context.place)
    const files: string[] = []
    if (options.svg !== undefined) files.push(options.svg)
    if (options.html !== undefined) files.push(options.html)
    if (options.svg !== undefined) await writeWholeFile(context.cwd, options.svg, timelineSvg(found))
    if (options.html !== undefined) await writeWholeFile(context.cwd, options.html, timelineHtml(found))
    return { ...found, files }
  },
  human: (value, style, { options }) => {
    if (value.files.length === 0) return terminalText(value, style, readSizes(options, style.width))
    const attempts = value.lanes.reduce((sum, lane) => sum + lane.attempts.length, 0)
    return value.files
      .map(
        (file) => `${style.text(file)}: ${attempts} attempts, ${value.lanes.length} lanes, version ${value.to.version}`,
      )
      .join('\n')
  },
})

function readSizes(
  options: { readonly width: string | undefined; readonly lanes: string | undefined },
  columns: number,
) {
  const width = options.width === undefined ? undefined : wholeNumber(options.width, '--width', widthLeast, 1_000)
  const lanesMax = options.lanes === undefined ? 40 : wholeNumber(options.lanes, '--lanes', 1, 1_000)
  return { width: width ?? (Number.isFinite(columns) ? Math.max(widthLeast, columns) : widthDefault), lanesMax }
}
