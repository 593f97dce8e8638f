import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkSpec, readTitles } from '../check-spec.mjs'

const ids = [...Array.from({ length: 12 }, (_, i) => `P${i + 1}`), ...Array.from({ length: 13 }, (_, i) => `I${i + 1}`)]
const suite = `describe('log', () => { it('appends once', () => {}); it.skip('is skipped', () => {}) })`

let root = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'reprise-spec-'))
  write('test/log.test.ts', suite)
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** @param {string} path @param {string} text */
function write(path, text) {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

/** SPEC.md with a good row for every id, except for what `rows` replaces. @param {Record<string, string>} [rows] @param {string} [head] */
function check(rows = {}, head = '') {
  const good = 'appends | `test/log.test.ts › appends once`'
  const all = Object.entries({ ...Object.fromEntries(ids.map((id) => [id, good])), ...rows })
  const table = all.filter(([, row]) => row !== '').map(([id, row]) => `| **${id}** | ${row} |`)
  write('SPEC.md', `# Spec\n\n${head}\n\n| id | promise | tests |\n|---|---|---|\n${table.join('\n')}\n`)
  return checkSpec(root)
}

describe('the SPEC check', () => {
  it('accepts a SPEC in which every id names a test that exists', () => {
    expect(check({ C2: 'x | `test/log.test.ts › log › appends once`' }, 'Requirements built: C2')).toEqual([])
  })

  it('fails without SPEC.md', () => {
    expect(checkSpec(root)).toEqual([expect.stringContaining('SPEC.md is missing')])
  })

  it('fails on a promise or invariant without a row', () => {
    expect(check({ P7: '', I13: '' })).toEqual([
      expect.stringMatching(/P7 has no row/),
      expect.stringMatching(/I13 has no row/),
    ])
  })

  it('fails on a row that names no test', () => {
    expect(check({ P3: 'no lost dispatch | later' })).toEqual([expect.stringMatching(/SPEC\.md:\d+ P3 names no test/)])
  })

  it('fails on a built requirement without a row, also on a wrapped line', () => {
    expect(check({}, 'Requirements built: C2,\nL3')).toEqual([
      expect.stringMatching(/C2 has no row/),
      expect.stringMatching(/L3 has no row/),
    ])
  })

  it.each([
    ['a file that does not exist', 'test/gone.test.ts › appends once', /no file test\/gone/],
    ['a title that does not exist', 'test/log.test.ts › appends twice', /no test .*"appends twice"/],
    ['part of a title', 'test/log.test.ts › appends', /no test .*"appends"/],
    ['a wildcard', 'test/log.test.ts › *', /no test .*"\*"/],
    ['a skipped test', 'test/log.test.ts › is skipped', /no test .*"is skipped"/],
  ])('fails on %s', (_what, reference, gap) => {
    expect(check({ I4: `x | \`test/log.test.ts › appends once\` <br> \`${reference}\`` })).toEqual([
      expect.stringMatching(gap),
    ])
  })
})

describe('readTitles', () => {
  it('knows titles behind modifiers, tables and templates, and titles with quotes', () => {
    const text = [
      `it.concurrent('runs beside others', () => {})`,
      `it.each([\n  ['a)', 1],\n  ["b", fn(2)],\n])('refuses a %s receipt', () => {})`,
      'it.each`\n a | b\n ${1} | ${2}\n`("adds $a to a number", () => {})',
      `it.skipIf(process.platform === 'win32')('follows no link', () => {})`,
      'test(`replays the log of version ${version}`, () => {})',
      `given(\n  'the holder\\'s process is gone',\n)`,
      'it(`${name}`, () => {})',
    ].join('\n')
    const titles = readTitles(text)
    const isTitle = (/** @type {string} */ name) => titles.some((title) => title.test(name))
    expect(isTitle('runs beside others')).toBe(true)
    expect(isTitle('refuses a forged receipt')).toBe(true)
    expect(isTitle('adds 1 to a number')).toBe(true)
    expect(isTitle('follows no link')).toBe(true)
    expect(isTitle('replays the log of version 1')).toBe(true)
    expect(isTitle("the holder's process is gone")).toBe(true)
    expect(isTitle('anything at all')).toBe(false)
  })
})
