import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { playStory, storyOf } from '../console-story.mjs'
import { root } from '../setup.mjs'

const readme = 'packages/cli/README.md'

it('the commands of the README of the command say what stands there', () => {
  const steps = storyOf(readme)
  expect(steps.filter(({ kind }) => kind === 'command').length).toBeGreaterThan(10)
  expect(playStory(steps)).toEqual([])
}, 180_000)

it('its tables of exit codes and variables have every row of docs/cli.md', () => {
  const rowsOf = (/** @type {string} */ path, /** @type {string} */ heading) => {
    const text = readFileSync(join(root, path), 'utf8')
    const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? ''
    return section.match(/^\| (?!---).*\|$/gm)?.slice(1) ?? []
  }
  for (const heading of ['Exit codes', 'Environment']) {
    const rows = rowsOf('docs/cli.md', heading)
    expect(rows.length).toBeGreaterThan(4)
    expect(rowsOf(readme, heading)).toEqual(expect.arrayContaining(rows))
  }
})
