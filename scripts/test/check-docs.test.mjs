import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkDocs } from '../check-docs.mjs'

let root = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'reprise-docs-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** @param {string} flags @param {string} code */
function check(flags, code) {
  writeFileSync(join(root, 'README.md'), `# Title\n\n\`\`\`${flags}\n${code}\n\`\`\`\n`)
  return checkDocs(root).problems
}

describe('the docs check', () => {
  it('accepts examples that compile and run, and other languages', () => {
    expect(check('ts', 'export const one: number = 1')).toEqual([])
    expect(
      check('ts run', "import { readdirSync } from 'node:fs'\nif (readdirSync('.').length > 0) process.exit(1)"),
    ).toEqual([])
    expect(check('js run', 'await Promise.resolve()')).toEqual([])
    expect(check('json', 'not { json')).toEqual([])
  })

  it("reports a type error at the document's line", () => {
    expect(check('ts', 'export const fine = 1\nexport const one: string = 1')).toEqual([
      expect.stringMatching(/^README\.md:5:\d+: error TS2322/),
    ])
  })

  it('reports an example that fails when it runs', () => {
    expect(check('ts run', 'process.exit(3)')).toEqual([expect.stringMatching(/^README\.md:3 exit code 3/)])
  })

  it('refuses an unchecked example without a reason', () => {
    expect(check('ts no-check', 'nonsense!')).toEqual([expect.stringMatching(/^README\.md:3 say why/)])
    expect(check('ts no-check=""', 'nonsense!')).toHaveLength(1)
    expect(check('ts no-check="shows a compiler error"', 'nonsense!')).toEqual([])
  })
})
