// The tables of packages/core/README.md and the code say the same.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as core from '@reprise/core'
import { describe, expect, it } from 'vitest'
import { root } from '../setup.mjs'

const readme = readFileSync(join(root, 'packages/core/README.md'), 'utf8')

/** @param {string} heading @returns {string} the text of that section */
function section(heading) {
  const text = readme.split(/^## /m).find((part) => part.startsWith(`${heading}\n`))
  if (text === undefined) throw new Error(`packages/core/README.md has no section "${heading}"`)
  return text
}

/** @param {string} text @returns {string[][][]} tables, each a list of rows, each a list of cells */
function tables(text) {
  const blocks = text.match(/(?:^\|.*\n)+/gm) ?? []
  return blocks.map((block) =>
    block
      .trim()
      .split('\n')
      .slice(2)
      .map((row) => row.split('|').slice(1, -1).map(withoutTicks)),
  )
}

/** @param {string} cell */
const withoutTicks = (cell) => cell.trim().replace(/^`([^`]*)`$/, '$1')

/** @param {string} file a door of core @returns {string[]} values and types */
function exportedNames(file) {
  const text = readFileSync(join(root, 'packages/core/src', file), 'utf8')
  const lists = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].map((match) => match[1] ?? '')
  const names = lists.flatMap((list) => list.split(',')).map((name) => name.replace(/^\s*type\s/, '').trim())
  return names.filter(Boolean)
}

describe('the README of core', () => {
  it('has every error code with its retry hint and meaning', () => {
    const documented = tables(section('Errors'))[0]
    const actual = Object.entries(core.errorCodes).map(([code, { retry, meaning }]) => [code, retry, meaning])
    expect(documented).toEqual(actual)
  })

  it('has every code that a worker puts into a receipt, with its meaning', () => {
    expect(tables(section('Errors'))[1]).toEqual(Object.entries(core.receiptErrorCodes))
  })

  it('has every key of the policy with its default', () => {
    const documented = tables(section('Policy'))[0]?.map(([key, value]) => [key, value])
    const defaults = Object.entries(core.policySchema.parse({})).map(([key, value]) => [key, JSON.stringify(value)])
    expect(documented).toEqual(defaults)
  })

  it('has every limit with its value', () => {
    const documented = tables(section('Limits'))[0]?.map(([name, value]) => [name, Number(value)])
    expect(documented).toEqual(Object.entries(core.limits))
  })

  it('has every event of the log', () => {
    const documented = tables(section('Events in the log'))[0]?.flatMap(([cell = '']) => cell.match(/[a-z-]+/g) ?? [])
    expect(documented?.sort()).toEqual(Object.keys(core.eventDataSchemas).sort())
  })

  it('names every name of the public API, and no other', () => {
    const exported = exportedNames('index.ts')
    const documented = [...section('Every name').matchAll(/`(\w+)`/g)].map((match) => match[1])
    expect(documented.sort()).toEqual(exported.sort())
  })

  it('has one section about the door for looking back, which names all that it exports', () => {
    expect(readme.match(/^## @reprise\/core\/replay$/gm)).toHaveLength(1)
    const named = new Set([...section('@reprise/core/replay').matchAll(/`(\w+)[`(]/g)].map((match) => match[1]))
    expect(exportedNames('replay.ts').filter((name) => !named.has(name))).toEqual([])
  })
})
