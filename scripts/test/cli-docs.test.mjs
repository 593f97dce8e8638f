import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { cliDocs, fieldList, prose } from '../cli-docs.mjs'
import { root } from '../setup.mjs'

describe('docs/cli.md', () => {
  it('has a part for each command, with the codes, addresses and options of all of them', async () => {
    const text = await cliDocs()
    const { registry } = await import('../../packages/cli/dist/registry.js')
    for (const { name } of registry) expect(text).toContain(`\n### ${name}\n`)
    expect(text).toMatch(/\n\| 5 \| the backend did not answer/)
    expect(text).toMatch(/\n\| `--at ADDRESS` \| /)
  })

  it('has every variable of ours that the command reads', async () => {
    const text = await cliDocs()
    const folder = join(root, 'packages/cli/src')
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
    const sources = files.map((name) => readFileSync(join(folder, name), 'utf8')).join('')
    const read = new Set([...sources.matchAll(/\benv\.(REPRISE_[A-Z_]+)/g)].map((match) => match[1]))
    expect(read.size).toBeGreaterThan(2)
    for (const name of read) expect(text).toContain(`\n| \`${name}\` | `)
  })

  it('lists the fields of an output, those of objects in lists below them, and alternatives apart', () => {
    const schema = z.object({
      version: z.number().describe('events | read'),
      holder: z.object({ id: z.string() }).nullable(),
      gates: z.array(z.object({ gate: z.string(), pass: z.boolean() })),
      outcome: z.discriminatedUnion('is', [
        z.object({ is: z.literal('a') }),
        z.object({ is: z.literal('b'), n: z.int() }),
      ]),
      by: z.record(z.string(), z.object({ ms: z.number() })),
      any: z.unknown(),
    })
    expect(fieldList(schema).split('\n')).toEqual([
      '- `version`: number; events | read',
      '- `holder`: object or null',
      '  - `id`: string',
      '- `gates`: list of object',
      '  - `gate`: string',
      '  - `pass`: boolean',
      '- `outcome`: object',
      '  - one of: `is` is "a"',
      '    - `is`: "a"',
      '  - one of: `is` is "b"',
      '    - `is`: "b"',
      '    - `n`: integer',
      '- `by`: object by name',
      '  - `ms`: number',
      '- `any`: any JSON',
    ])
  })

  it('has the texts of --help as Markdown: nothing in them becomes a tag, a list or code by accident', () => {
    expect(prose('A <b> *c* `<d>` REPRISE_AT\n  - one\n    more\n  - two\nEnd.\n  set in')).toBe(
      'A \\<b> \\*c\\* `<d>` REPRISE_AT\n- one\nmore\n- two\n\nEnd.\n\nset in',
    )
  })
})
