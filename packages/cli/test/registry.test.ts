import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { shellWords } from '../src/complete/shell-words.js'
import { main, programOf } from '../src/main.js'
import { fitProse } from '../src/output/prose.js'
import { registry } from '../src/registry.js'

const streams = () => ({ stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() })
const worldOf = (args: readonly string[]) => {
  const signal = new AbortController().signal
  return { args, cwd: '/', env: {}, signal, ...streams() }
}

describe.each(registry.map((entry) => [entry.name, entry] as const))('reprise %s', (name, entry) => {
  it('says what it, its arguments, its options and its output are', async () => {
    const { details, args, options, schema } = await entry.load()
    expect(entry.says).toMatch(/^\S.{5,}[^.\s]$/)
    expect(details.trim().length).toBeGreaterThan(20)
    for (const { says } of [...Object.values(args), ...Object.values(options)]) expect(says.trim()).not.toBe('')
    for (const option of Object.keys(options)) expect(option).toMatch(/^[a-z][a-z-]+$/)
    expect(() => z.toJSONSchema(schema, { unrepresentable: 'any' })).not.toThrow()
  })

  it('has examples, which are command lines that it takes', async () => {
    const { examples } = await entry.load()
    expect(examples.length).toBeGreaterThan(0)
    for (const { line, says } of examples) {
      expect(says).not.toBe('')
      const { words, inQuotes } = shellWords(line)
      expect(inQuotes, line).toBe(false)
      // What stands behind is for the shell.
      const end = words.findIndex((word) => /^(?:\||>>?|2>|<|&&|;)$/.test(word))
      const own = end < 0 ? words : words.slice(0, end)
      expect(own.join(' ').startsWith(name), line).toBe(true)
      const world = worldOf(own)
      let taken: unknown
      const program = programOf(world, async (command) => {
        taken = command
      })
      await program.parseAsync([...own], { from: 'user' }).catch((error: Error) => error)
      expect(String(world.stderr.read() ?? '')).toBe('')
      expect(taken, line).toBe(await entry.load())
    }
  })

  it('has help that fits a terminal, and names every option', async () => {
    const world = worldOf([...name.split(' '), '--help'])
    expect(await main(world)).toBe(0)
    const help = String(world.stdout.read())
    const { options, details, examples } = await entry.load()
    for (const option of Object.keys(options)) expect(help).toContain(`--${option}`)
    for (const { line } of examples) expect(help).toContain(`$ reprise ${line}`)
    expect(help).toContain(fitProse(details, 80))
  })
})

describe('a text in help', () => {
  it('is fitted to the width; items, indents and empty lines stay', () => {
    const text = 'One two three\nfour five.\n  - an item that\n    goes on\n  - another\n\nEnd of it.\n  set in'
    expect(fitProse(text, 14)).toBe(
      'One two three\nfour five.\n  - an item\n    that goes\n    on\n  - another\n\nEnd of it.\n  set in',
    )
  })

  it('keeps a word that is wider than the width', () => {
    expect(fitProse('a verylongword b', 6)).toBe('a\nverylongword\nb')
  })
})
