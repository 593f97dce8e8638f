import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { rankOf, type WhyCode, whyCodes } from '../src/replay/why-codes.js'

it('every code of a reason stands in the README with what it needs, in the order in which they are ranked', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const section = readme.slice(readme.indexOf('## @reprise/core/replay'))
  const rows = [...section.matchAll(/^\| `([a-z-]+)` \| (act|wait|nothing) \| (.+) \|$/gm)]
  expect(rows.map(([, code, needs, says]) => [code, { needs, says }])).toEqual(Object.entries(whyCodes))
  const codes = Object.keys(whyCodes) as WhyCode[]
  expect(codes.map(rankOf)).toEqual(codes.map((_, i) => i))
})
