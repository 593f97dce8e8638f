import { plain } from '../output/visible.js'
import { registry } from '../registry.js'
import type { World } from '../world.js'
import { type Candidate, type Wanted, wantedAt } from './candidates.js'
import { shellQuoted, shellWords } from './shell-words.js'

/** What a backend gets to answer: whoever types waits for it. Milliseconds; another figure may stand in `REPRISE_COMPLETE_MS`. */
const patienceMs = 500
const saysMax = 100

/**
 * Answers the scripts of `reprise completion`: `__complete`, then `bash LINE POINT WORD`, or `zsh -- WORD...`, or `fish -- WORD...`. A candidate per
 * line, with a tab and what it is for zsh and fish; or `:file`, `:folder`: the shell knows those better. Says nothing rather
 * than that something is wrong.
 */
export async function main(world: World): Promise<number> {
  const [shell, ...rest] = world.args.slice(1)
  const lines = await linesOf(world, shell, rest).catch(() => [])
  if (lines.length > 0) await new Promise((resolve) => world.stdout.write(`${lines.join('\n')}\n`, resolve))
  return 0
}

async function linesOf(world: World, shell: string | undefined, rest: readonly string[]): Promise<string[]> {
  if (shell !== 'bash') {
    const wanted = await wantedAt(rest.slice(1), registry)
    const found = await candidatesOf(world, wanted)
    if (typeof found === 'string') return [`:${found}`]
    return found.map(({ value, says }) => `${value}\t${plain(says).slice(0, saysMax)}`)
  }
  const [line = '', point = '', word = ''] = rest
  const { words, inQuotes } = shellWords(line.slice(0, Number(point)))
  const found = await candidatesOf(world, await wantedAt(words.slice(1), registry))
  if (typeof found === 'string') return [`:${found}`]
  // bash breaks words at : and = and @, and wants only what comes behind the last one.
  const typed = words.at(-1) ?? ''
  const cut =
    !inQuotes && typed.endsWith(word)
      ? typed.length - word.length
      : Math.max(typed.lastIndexOf(':'), typed.lastIndexOf('=')) + 1
  return found.map(({ value }) => (inQuotes ? value : shellQuoted(value.slice(cut))))
}

async function candidatesOf(world: World, wanted: Wanted): Promise<readonly Candidate[] | 'file' | 'folder'> {
  switch (wanted.wants) {
    case 'these':
      return wanted.candidates
    case 'file':
      return 'file'
    case 'folder':
    case 'url':
      return 'folder'
    case 'run':
    case 'task': {
      const { lookUp } = await import('./look-up.js')
      const { REPRISE_COMPLETE_MS: given = '' } = world.env
      const waitMs = /^\d{1,6}$/.test(given) ? Number(given) : patienceMs
      const late = new Promise<readonly Candidate[]>((resolve) => setTimeout(() => resolve([]), waitMs))
      const found = await Promise.race([lookUp(world, wanted), late])
      const { args } = wanted.given
      // A line break would be two candidates; and what stands there already is not wanted again.
      return found.filter(({ value }) => plain(value) === value && (wanted.wants === 'run' || !args.includes(value)))
    }
  }
}
