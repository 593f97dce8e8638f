import { expect, it } from 'vitest'
import { playStory, storyOf } from '../console-story.mjs'

it('the failure of docs/debugging.md is found, mended and recorded by the commands that it names, which say what it says', () => {
  const steps = storyOf('docs/debugging.md')
  expect(steps.filter(({ kind }) => kind === 'command').length).toBeGreaterThan(12)
  expect(playStory(steps)).toEqual([])
}, 180_000)
