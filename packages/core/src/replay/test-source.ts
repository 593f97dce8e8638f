import type { RunId } from '../protocol/ids.js'
import type { BrokenInvariant, LogOutcome } from './outcome-of.js'

/** Where a test has its log: in itself, line by line or packed, or in a file beside it. */
export type LogPlace = { readonly lines: readonly string[] } | { readonly packed: string } | { readonly file: string }

/** Tasks that a test lists one by one; of more, it has the digest of the list. */
const listedMax = 500
const base64Columns = 108

/** The text of a vitest file. Everything from the log is in string literals that nothing can break out of. */
export function testSource(runId: RunId, outcome: LogOutcome, broken: BrokenInvariant | null, place: LogPlace): string {
  const { tasks, ...others } = outcome
  const expected: Partial<LogOutcome> = tasks.length <= listedMax ? outcome : others
  return `// Recorded by reprise: run ${runId} up to version ${outcome.version}. The log is replayed, and must come to the same.
${imports(place)}

${log(place)}

it(${literal(`run ${runId} replays to what it came to at version ${outcome.version}`)}, () => {
  // Fails with LOG_CORRUPT if one byte of the log is another.
  expect(outcomeOf(lines, { version: ${outcome.version} })).toMatchObject(${object(expected)})
})

it(${literal(`run ${runId} ${broken === null ? 'keeps every invariant' : `breaks ${broken.invariant}`}`)}, async () => {
  expect(await brokenIn(lines, { version: ${outcome.version} })).toEqual(${literal(broken)})
})
`
}

function imports(place: LogPlace): string {
  const used: [names: string, door: string][] = [
    ['brokenIn, outcomeOf', '@reprise/core/replay'],
    ['expect, it', 'vitest'],
  ]
  if (!('lines' in place)) used.unshift(['gunzipSync', 'node:zlib'])
  if ('file' in place) used.unshift(['readFileSync', 'node:fs'])
  return used.map(([names, door]) => ['import {', names, '} from', `'${door}'`].join(' ')).join('\n')
}

function log(place: LogPlace): string {
  if ('lines' in place)
    return `const lines: string[] = [\n${place.lines.map((line) => `  ${quoted(line)},\n`).join('')}]`
  const cut = ".toString().trimEnd().split('\\n')"
  if ('file' in place) {
    return `const lines = gunzipSync(readFileSync(new URL(${literal(`./${place.file}`)}, import.meta.url)))${cut}`
  }
  const pieces = place.packed.match(new RegExp(`.{1,${base64Columns}}`, 'g')) ?? []
  const packed = pieces.map((piece) => `  '${piece}',\n`).join('')
  return `const packed = [\n${packed}].join('')\nconst lines = gunzipSync(Buffer.from(packed, 'base64'))${cut}`
}

/** One field per line, each task too: a change shows in a review. */
function object(expected: Partial<LogOutcome>): string {
  const fields = Object.entries(expected).map(([name, value]) => {
    if (name !== 'tasks') return `    ${name}: ${literal(value)},\n`
    const tasks = (value as LogOutcome['tasks']).map((task) => `      ${literal(task)},\n`)
    return tasks.length === 0 ? '    tasks: [],\n' : `    tasks: [\n${tasks.join('')}    ],\n`
  })
  return `{\n${fields.join('')}  }`
}

/** A value as a literal that is plain ASCII on one line, and that ends no script where the file is shown. */
const literal = (value: unknown): string => JSON.stringify(value).replace(/[^\x20-\x7e]|</g, escaped)

/** A line of JSON, in quotes that it does not have all over. */
const quoted = (line: string): string => `'${line.replace(/[\\']/g, '\\$&').replace(/[^\x20-\x7e]|</g, escaped)}'`

const escaped = (found: string): string => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`
