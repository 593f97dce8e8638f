import { expect, it } from 'vitest'
import { playStory, readStory, saysWhat } from '../console-story.mjs'

const story = (/** @type {string} */ text) => readStory(text.replaceAll("'''", '```'))

it('a story is played with its files, and nothing is said against one that is true', () => {
  const steps = story(`
'''json file="a.json"
{"n":1}
'''

'''console
$ cat a.json
{"n":1}
$ echo one; echo two; \\
echo three
one
…
$ reprise --version
….….…
$ reprise nonsense; echo "exit $?"
error: unknown command 'nonsense'
…
exit 2
$ true
'''
`)
  expect(steps.map(({ line }) => line)).toEqual([2, 7, 9, 13, 15, 19])
  expect(playStory(steps)).toEqual([])
})

it('a story that is not true is found out: a line that differs, one too many, one that is missing', () => {
  const told = (/** @type {string} */ lines) => playStory(story(`'''console\n$ printf 'a\\nb\\n'\n${lines}\n'''`))
  expect(told('a\nb')).toEqual([])
  for (const lines of ['a\nc', 'a', 'a\nb\nc', 'b\n…', '…\na']) expect(told(lines)).toHaveLength(1)
  expect(told('a\nc')[0]).toContain('line 2: $ printf')
})

it('dots stand for anything in a line, and alone for any lines, none included', () => {
  expect(saysWhat(['a … c'], ['a b c'])).toBe(true)
  expect(saysWhat(['a … c'], ['a b d'])).toBe(false)
  expect(saysWhat(['…'], [])).toBe(true)
  expect(saysWhat(['x', '…', 'y'], ['x', 'y'])).toBe(true)
  expect(saysWhat(['x', '…', 'y'], ['x', '1', '2', 'y'])).toBe(true)
  expect(saysWhat(['x', '…', 'y'], ['x', '1', '2'])).toBe(false)
  expect(saysWhat(['a+'], ['aa'])).toBe(false)
})
