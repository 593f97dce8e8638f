import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkFailures } from '../check-failures.mjs'

let root = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'reprise-failures-'))
  write('test/worker.test.ts', `it('dies', () => {}); it.skip('is skipped', () => {})`)
  write('packages/core/src/protocol/events.ts', `export const events = { 'task-rejected': 1 }`)
  write('packages/core/src/protocol/receipt.ts', '')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** @param {string} path @param {string} text */
function write(path, text) {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

/** @param {string} row */
function check(row) {
  const head = '| what happens | the log shows | shown by |\n|---|---|---|'
  write('docs/failures.md', `# Failures\n\n| other | table |\n|---|---|\n| a | b |\n\n${head}\n${row}\n`)
  return checkFailures(root)
}

const good = '`test/worker.test.ts › dies`'

describe('the check of the table of failures', () => {
  it('accepts rows that name events that there are and tests that run', () => {
    expect(check(`| it dies | \`task-rejected\` with \`retryable: false\` | ${good}<br>${good} |`)).toEqual([])
  })

  it.each([
    ['a row without a test', '| it dies | `task-rejected` | later |', /failures\.md:9 names no test/],
    ['a test that does not exist', '| it dies | x | `test/worker.test.ts › lives` |', /no test .*"lives"/],
    ['a test that is skipped', '| it dies | x | `test/worker.test.ts › is skipped` |', /no test .*"is skipped"/],
    ['one bad test among good ones', `| it dies | x | ${good}<br>\`test/gone.test.ts › dies\` |`, /no file test\/gone/],
    ['an event that there is not', `| it dies | \`task-died\` | ${good} |`, /no event or gate task-died/],
  ])('fails on %s', (_what, row, gap) => {
    expect(check(row)).toEqual([expect.stringMatching(gap)])
  })

  it('fails without the page, and on a page without such a table', () => {
    expect(checkFailures(root)).toEqual([expect.stringMatching(/is missing/)])
    write('docs/failures.md', '# Failures\n')
    expect(checkFailures(root)).toEqual([expect.stringMatching(/has no table/)])
  })
})
