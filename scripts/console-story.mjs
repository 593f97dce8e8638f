// Stories in documents are told with the real command: a block ```<language> file="name"``` is a file of the story, a block
// ```console``` holds commands behind `$ ` and below each what it says. `…` stands for anything in a line; alone, for any lines.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './setup.mjs'

/** @typedef {{ kind: 'file', name: string, text: string, line: number } | { kind: 'command', command: string, expected: string[], line: number }} Step */

const commandTimeoutMs = 60_000

/**
 * @param {string} text of a document
 * @returns {Step[]} in order
 */
export function readStory(text) {
  const blocks = /^```(\w+)([^\n]*)\n([\s\S]*?)^```$/gm
  return [...text.matchAll(blocks)].flatMap((match) => {
    const [, language, flags = '', body = ''] = match
    const line = text.slice(0, match.index).split('\n').length
    const name = /\bfile="([^"/]+)"/.exec(flags)?.[1]
    if (name !== undefined) return [{ kind: /** @type {const} */ ('file'), name, text: body, line }]
    return language === 'console' ? readConsole(body, line + 1) : []
  })
}

/** @param {string} body @param {number} first its first line @returns {Step[]} */
function readConsole(body, first) {
  /** @type {Extract<Step, { kind: 'command' }>[]} */
  const steps = []
  for (const [i, line] of body.replace(/\n$/, '').split('\n').entries()) {
    const last = steps.at(-1)
    if (line.startsWith('$ ')) steps.push({ kind: 'command', command: line.slice(2), expected: [], line: first + i })
    else if (last?.command.endsWith('\\') && last.expected.length === 0) last.command += `\n${line}`
    else if (last === undefined) throw new Error(`line ${first + i}: a console block begins with a command`)
    else last.expected.push(line)
  }
  return steps
}

/**
 * Plays a story in an empty folder, in which the packages can be imported and `reprise` is the packed command.
 * @param {Step[]} steps
 * @returns {string[]} what went otherwise than told
 */
export function playStory(steps) {
  const stories = join(root, '.stories')
  mkdirSync(stories, { recursive: true })
  const folder = mkdtempSync(join(stories, 'story-'))
  try {
    const bin = join(folder, '.bin')
    mkdirSync(bin)
    const packed = join(root, 'packages/cli/bundle/reprise.js')
    writeFileSync(join(bin, 'reprise'), `#!/bin/sh\nexec '${process.execPath}' '${packed}' "$@"\n`)
    chmodSync(join(bin, 'reprise'), 0o755)
    // Or tests of the story would be run as this repository's are.
    writeFileSync(join(folder, 'vitest.config.mjs'), 'export default {}\n')
    const env = { ...cleanEnv(), PATH: `${bin}:${join(root, 'node_modules/.bin')}:${process.env.PATH}` }
    /** @type {string[]} */
    const problems = []
    for (const step of steps) {
      if (step.kind === 'file') writeFileSync(join(folder, step.name), step.text)
      else problems.push(...tell(step, folder, env))
    }
    return problems
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** @param {Extract<Step, { kind: 'command' }>} step @param {string} cwd @param {Record<string, string | undefined>} env */
function tell({ command, expected, line }, cwd, env) {
  const script = `exec 2>&1\n${command}`
  const { stdout, error } = spawnSync('bash', ['-c', script], { cwd, env, encoding: 'utf8', timeout: commandTimeoutMs })
  const said = stdout.replace(/\n$/, '').split('\n')
  if (error === undefined && saysWhat(expected, stdout === '' ? [] : said)) return []
  return [`line ${line}: $ ${command}\n${error?.message ?? ''}told:\n${expected.join('\n')}\nsaid:\n${stdout}`]
}

/** @param {readonly string[]} expected @param {readonly string[]} said @returns {boolean} */
export function saysWhat(expected, said) {
  const [first, ...rest] = expected
  if (first === undefined) return said.length === 0
  if (first === '…') return said.some((_, i) => saysWhat(rest, said.slice(i))) || saysWhat(rest, [])
  const [line, ...others] = said
  return line !== undefined && patternOf(first).test(line) && saysWhat(rest, others)
}

/** @param {string} told */
const patternOf = (told) =>
  new RegExp(
    `^${told
      .split('…')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
    'u',
  )

const unwanted = /^(REPRISE_|NO_COLOR$|FORCE_COLOR$|COLUMNS$|VITEST|NODE_OPTIONS$)/
const cleanEnv = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => !unwanted.test(name)))

/** @param {string} document path from the root */
export const storyOf = (document) => readStory(readFileSync(join(root, document), 'utf8'))
