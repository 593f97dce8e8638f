// SPEC.md promises only what a test proves. This check reads SPEC.md and fails on every gap.
//
// The format of SPEC.md:
// - One line `Requirements built: C2, C3, L3` (it may wrap until the next empty line) lists the requirement ids
//   that are built. Each of them, and each of P1 to P12 and I1 to I13, needs a row.
// - A row is a line of a Markdown table whose first cell is the id, bare or in bold or backticks.
// - Some later cell holds one or more references, each in backticks, separated by <br> or spaces:
//   `packages/core/test/flow/accept.test.ts › accepts the first receipt only`
//   The file is relative to the root; the test's name is its whole title, as written in the file. Titles of
//   describe blocks may stand between the two. A title made from a template matches with anything in the
//   place of ${…} or %s. There is no wildcard in SPEC.md. A test that is skipped or a todo proves nothing.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const alwaysNeeded = [...numbered('P', 12), ...numbered('I', 13)]

/** @typedef {{ line: number, id: string, references: string[] }} Row */

/**
 * @param {string} root folder that holds SPEC.md
 * @returns {string[]} one sentence per gap: what is missing and what to do
 */
export function checkSpec(root) {
  if (!existsSync(join(root, 'SPEC.md')))
    return ['SPEC.md is missing: write it, in the format at the top of scripts/check-spec.mjs']
  const text = readFileSync(join(root, 'SPEC.md'), 'utf8')
  const rows = readRows(text)
  const gaps = []
  for (const id of new Set([...alwaysNeeded, ...readRequirements(text)])) {
    const own = rows.filter((row) => row.id === id)
    if (own.length === 0)
      gaps.push(`SPEC.md: ${id} has no row: add a table row that starts with ${id} and names its test`)
    else if (own.every((row) => row.references.length === 0))
      gaps.push(`SPEC.md:${own[0]?.line} ${id} names no test: add \`path/to/x.test.ts › title of the test\``)
  }
  /** @type {Map<string, RegExp[]>} */
  const titles = new Map()
  for (const { line, id, references } of rows) {
    for (const reference of references) {
      const gap = checkReference(root, reference, titles)
      if (gap) gaps.push(`SPEC.md:${line} ${id}: ${gap}`)
    }
  }
  return gaps
}

/**
 * @param {string} text
 * @returns {Row[]}
 */
function readRows(text) {
  return text.split('\n').flatMap((content, index) => {
    const [first = '', ...cells] = content.trim().match(/^\|/)
      ? content
          .trim()
          .split(/(?<!\\)\|/)
          .slice(1)
      : []
    const id = first.trim().replace(/^[*`]+|[*`]+$/g, '')
    if (!/^[A-Z]\d+$/.test(id)) return []
    const references = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+ › [^`]+)`/g)].map((match) => match[1] ?? ''))
    return [{ line: index + 1, id, references: references.map((reference) => reference.replaceAll('\\|', '|')) }]
  })
}

/** @param {string} text */
function readRequirements(text) {
  const list = text.match(/Requirements built:([\s\S]*?)(?:\n\s*\n|$)/)?.[1] ?? ''
  return list.match(/\b[A-Z]\d+\b/g) ?? []
}

/**
 * @param {string} root
 * @param {string} reference
 * @param {Map<string, RegExp[]>} titles cache, by file
 * @returns {string | undefined} what is missing, if anything
 */
export function checkReference(root, reference, titles) {
  const [file = '', ...names] = reference.split(' › ').map((part) => part.trim())
  if (!existsSync(join(root, file))) return `there is no file ${file}: correct the path or write the test`
  if (!titles.has(file)) titles.set(file, readTitles(readFileSync(join(root, file), 'utf8')))
  const missing = names.find((name) => !titles.get(file)?.some((title) => title.test(name)))
  if (missing) return `${file} has no test (that runs) titled "${missing}": correct the name or write the test`
}

/**
 * Titles of a test file: string literals that are the first argument of it, test, describe, given or of what
 * their .each, .for or .skipIf return.
 * @param {string} text
 */
export function readTitles(text) {
  const call = /\b(it|test|describe|given|property)((?:\.\w+)*)\s*(?:\(|`)/g
  const literal = /^\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/
  return [...text.matchAll(call)].flatMap((match) => {
    if (/\.(skip|todo)$/.test(match[2] ?? '')) return []
    let at = match.index + match[0].length
    // it.each(table)(title, …): the title follows the table's closing bracket.
    if (/\.(each|for|skipIf|runIf)$/.test(match[2] ?? '')) at = closing(text, at)
    const found = literal.exec(text.slice(at, at + 500))
    const title = (found?.[1] ?? found?.[2] ?? found?.[3])?.replace(/\\(.)/g, '$1')
    return title ? [titlePattern(title, found?.[3] !== undefined)] : []
  })
}

/** @param {string} title @param {boolean} isTemplate */
function titlePattern(title, isTemplate) {
  const holes = isTemplate ? /\$\{[^}]*\}|%[sdifjo]|\$\w+(?:\.\w+)*/ : /%[sdifjo]|\$\w+(?:\.\w+)*/
  const parts = title.split(holes)
  // A title that is hardly more than a hole would match every name.
  const matchesAnything = parts.length > 1 && parts.join('').trim().length < 8
  return new RegExp(
    matchesAnything ? '^(?!)' : `^${parts.map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('.+')}$`,
  )
}

/** Position after the bracket that closes the one before `from`, and after the bracket that follows it. @param {string} text @param {number} from */
function closing(text, from) {
  const isTemplate = text[from - 1] === '`'
  let depth = 1
  let at = from
  for (; at < text.length && depth > 0; at += 1) {
    const character = text[at]
    if (isTemplate) depth -= character === '`' ? 1 : 0
    else if (character === "'" || character === '"' || character === '`') at = endOfLiteral(text, at, character)
    else if (character === '(') depth += 1
    else if (character === ')') depth -= 1
  }
  return at + (/^\s*\(/.exec(text.slice(at))?.[0].length ?? 0)
}

/** @param {string} text @param {number} start @param {string} quote */
function endOfLiteral(text, start, quote) {
  let at = start + 1
  while (at < text.length && text[at] !== quote) at += text[at] === '\\' ? 2 : 1
  return at
}

/** @param {string} letter @param {number} count */
function numbered(letter, count) {
  return Array.from({ length: count }, (_, index) => `${letter}${index + 1}`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const gaps = checkSpec(process.cwd())
  for (const gap of gaps) console.error(gap)
  console.log(`SPEC: ${gaps.length} gap${gaps.length === 1 ? '' : 's'}`)
  process.exitCode = gaps.length > 0 ? 1 : 0
}
