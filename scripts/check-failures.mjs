// docs/failures.md tells of a failure only what a test shows, in events that there are. This check reads its tables: those
// whose last column is "shown by". Each of their rows names at least one test, in the form of SPEC.md, and what its
// column "the log shows" has in backticks and with a hyphen is an event, a reason or the name of something in the log.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkReference } from './check-spec.mjs'

const document = 'docs/failures.md'
const schemas = ['packages/core/src/protocol/events.ts', 'packages/core/src/protocol/receipt.ts']

/**
 * @param {string} root folder that holds docs/failures.md
 * @returns {string[]} one sentence per gap
 */
export function checkFailures(root) {
  if (!existsSync(join(root, document))) return [`${document} is missing`]
  const rows = readRows(readFileSync(join(root, document), 'utf8'))
  if (rows.length === 0) return [`${document} has no table whose last column is "shown by"`]
  const words = schemas.map((file) => readFileSync(join(root, file), 'utf8')).join('\n')
  /** @type {Map<string, RegExp[]>} */
  const titles = new Map()
  return rows.flatMap(({ line, cells }) => {
    const references = [...(cells.at(-1) ?? '').matchAll(/`([^`]+ › [^`]+)`/g)].map((match) => match[1] ?? '')
    const gaps = references.flatMap((reference) => checkReference(root, reference, titles) ?? [])
    if (references.length === 0) gaps.push('names no test: add `path/to/x.test.ts › title of the test`')
    for (const [, name = ''] of (cells[1] ?? '').matchAll(/`([a-z]+(?:-[a-z]+)+)`/g)) {
      if (!words.includes(`'${name}'`)) gaps.push(`there is no event or gate ${name}: correct the name`)
    }
    return gaps.map((gap) => `${document}:${line} ${gap}`)
  })
}

/**
 * @param {string} text
 * @returns {{ line: number, cells: string[] }[]}
 */
function readRows(text) {
  let isTable = false
  return text.split('\n').flatMap((content, index) => {
    const cells = content.startsWith('|') ? content.split('|').slice(1, -1) : []
    if (cells.length === 0) isTable = false
    else if (cells.at(-1)?.trim() === 'shown by') isTable = true
    else if (isTable && !/^\|[-| ]+$/.test(content))
      return [{ line: index + 1, cells: cells.map((cell) => cell.trim()) }]
    return []
  })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const gaps = checkFailures(process.cwd())
  for (const gap of gaps) console.error(gap)
  console.log(`${document}: ${gaps.length} gap${gaps.length === 1 ? '' : 's'}`)
  process.exitCode = gaps.length > 0 ? 1 : 0
}
