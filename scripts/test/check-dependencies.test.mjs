import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkDependencies, readImports } from '../check-dependencies.mjs'

let root = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'reprise-dependencies-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** @param {Record<string, string>} files text by path below packages/ */
function check(files) {
  for (const [path, text] of Object.entries(files)) {
    const file = join(root, 'packages', path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  return checkDependencies(root).map(({ file, line, rule }) => `${file}:${line} ${rule}`)
}

describe('the dependency direction', () => {
  it('accepts imports that point down', () => {
    const files = {
      'core/src/protocol/ids.ts': "import { z } from 'zod'\nexport const id = z.string()\n",
      'core/src/log/record.ts': "import { id } from '../protocol/ids.js'\nexport const record = id\n",
      'core/src/coordinator/open.ts': "import {\n  record,\n} from '../log/record.js'\nexport { record }\n",
      'core/src/index.ts': "export { record } from './coordinator/open.js'\n",
      'adapter-x/src/index.ts': "import type { Adapter } from '@reprise/core/adapter'\nexport type X = Adapter\n",
      'test-fleet/src/place.ts': "export const open = () => import('@reprise/adapter-nats')\n",
      'conformance/src/index.ts': "import { simulate } from '@reprise/core/testing'\nexport { simulate }\n",
    }
    expect(check(files)).toEqual([])
  })

  it('refuses an import that points up, with file and line', () => {
    const files = {
      'core/src/protocol/a.ts': "import {\n  b,\n} from '../flow/b.js'\n",
      'core/src/flow/b.ts': 'export const b = 1\n',
    }
    expect(check(files)).toEqual(['packages/core/src/protocol/a.ts:3 protocol may import nothing of ours, not flow'])
  })

  it('refuses imports between coordinator and worker, types included', () => {
    const files = {
      'core/src/worker/a.ts': "export type { B } from '../coordinator/b.js'\n",
      'core/src/coordinator/b.ts': 'export type B = 1\n',
    }
    expect(check(files)).toHaveLength(1)
  })

  it('refuses test helpers at the main door', () => {
    const files = {
      'core/src/index.ts': "export { m } from './memory/m.js'\n",
      'core/src/memory/m.ts': 'export const m = 1\n',
    }
    expect(check(files)).toHaveLength(1)
  })

  it('refuses a folder and a package without a rule', () => {
    const files = {
      'core/src/utils/a.ts': "import { b } from '../protocol/b.js'\n",
      'core/src/protocol/b.ts': 'export const b = 1\n',
      'other/src/a.ts': "import { b } from '@reprise/core'\n",
    }
    expect(check(files)).toEqual([
      'packages/core/src/utils/a.ts:1 utils has no rule',
      'packages/other/src/a.ts:1 packages/other has no rule',
    ])
  })

  it('refuses the main door to adapters, and every package to core', () => {
    const files = {
      'adapter-x/src/index.ts': "import { openRun } from '@reprise/core'\n",
      'core/src/protocol/a.ts': "const x = await import('@reprise/adapter-x')\n",
    }
    expect(check(files)).toHaveLength(2)
  })

  it('refuses a relative import that leaves the package', () => {
    expect(check({ 'adapter-x/src/index.ts': "import { a } from '../../core/src/index.js'\n" })).toHaveLength(1)
  })

  it('refuses a circle of imports and shows it', () => {
    const files = {
      'core/src/flow/a.ts': "import { b } from './b.js'\n",
      'core/src/flow/b.ts': "import { c } from './c.js'\n",
      'core/src/flow/c.ts': "import { a } from './a.js'\n",
    }
    const [problem, ...others] = check(files)
    expect(others).toEqual([])
    expect(problem).toMatch(/import circle .*a\.ts -> .*b\.ts -> .*c\.ts -> .*a\.ts/)
  })
})

describe('readImports', () => {
  it('sees every kind of import and no comment', () => {
    const text = `
import 'side-effect'
import one, { two } from 'named'
import type { Three } from "types"
export * from 'again'
export { four } from 'again-by-name'
const five = await import('late')
type Six = import('late-types').Six
// import seven from 'comment'
/** like import('comment') */
export const eight = 'from "a string"'
`
    expect(readImports(text).map(({ specifier }) => specifier)).toEqual([
      'side-effect',
      'named',
      'types',
      'again',
      'again-by-name',
      'late',
      'late-types',
    ])
  })
})
