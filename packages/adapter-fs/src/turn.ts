import { randomBytes } from 'node:crypto'
import { closeSync, linkSync, openSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { isAlive, ownIdentity, parseIdentity, RepriseError } from '@reprise/core/adapter'
import { fileFailure, systemCode } from './file-failure.js'
import { parseJson, readText, removeFile } from './small-file.js'

/** What is done in a turn takes well below a millisecond. A process that takes longer was stopped in the middle. */
const turnMaxMs = 5_000
/** Between creating the file and writing who did so: a process that takes longer was killed or stopped there. */
const unnamedMaxMs = 200
const waitMaxMs = 30_000

/**
 * Runs `work`, which must be synchronous, while no other process runs work for the same `path`: a file there says
 * whose turn it is. That of a process that is gone, or was stopped in the middle, is taken away.
 *
 * Taking away is safe unless the stopped process wakes up at that very moment: good enough for hints about who is
 * alive, and not for anything that must never happen twice. `ADAPTER_UNAVAILABLE` after 30 seconds of waiting.
 */
export async function inTurn<T>(path: string, work: () => T): Promise<T> {
  const mine = JSON.stringify({ ...ownIdentity(), nonce: randomBytes(8).toString('hex') })
  const giveUpAt = performance.now() + waitMaxMs
  while (!take(path, mine)) {
    takeAwayIfStale(path)
    if (performance.now() > giveUpAt) {
      throw new RepriseError(
        'ADAPTER_UNAVAILABLE',
        `Other processes kept ${path} for ${waitMaxMs} ms. Look which processes use this folder, then try again.`,
        { details: { path } },
      )
    }
    await delay(1 + Math.random() * 2)
  }
  try {
    return work()
  } finally {
    if (readText(path) === mine) removeFile(path)
  }
}

function take(path: string, mine: string): boolean {
  let fd: number
  try {
    fd = openSync(path, 'wx')
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw fileFailure(error, 'Creating', path)
  }
  try {
    writeFileSync(fd, mine)
    // Before it said whose it is, the file may have been taken for one that was left behind.
    return readText(path) === mine
  } catch (error) {
    // On a full disk there is a file and nothing in it: nobody could tell that it is stale but by waiting.
    removeFile(path)
    throw fileFailure(error, 'Writing', path)
  } finally {
    closeSync(fd)
  }
}

function takeAwayIfStale(path: string): void {
  const seen = readText(path)
  if (seen === null || !isStale(path, seen)) return
  const aside = `${path}.${randomBytes(8).toString('hex')}`
  try {
    renameSync(path, aside)
    // Another process may have been quicker to take the stale one away, and this is its own: give it back.
    if (readText(aside) !== seen) linkSync(aside, path)
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes(systemCode(error))) throw fileFailure(error, 'Replacing', path)
  }
  removeFile(aside)
}

function isStale(path: string, text: string): boolean {
  const owner = parseIdentity(parseJson(text))
  if (owner !== null && isAlive(owner) === 'gone') return true
  return (
    Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) >
    (text === '' ? unnamedMaxMs : turnMaxMs)
  )
}
