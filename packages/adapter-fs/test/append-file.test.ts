import { appendFileSync, readFileSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AppendFile, tornMark } from '../src/append-file.js'
import { codeOf, temporaryFolders } from './history.js'

const newFolder = temporaryFolders()

async function twoWriters() {
  const path = join(await newFolder(), 'lines')
  return { path, one: AppendFile.open(path, { create: true }), other: AppendFile.open(path) }
}

describe('an append-only file', () => {
  it('gives every writer all whole lines in the same order, its own included', async () => {
    const { one, other } = await twoWriters()
    one.append(['a', 'b'])
    other.append(['c'])
    one.append(['d'])
    expect(one.readNew()).toEqual(['a', 'b', 'c', 'd'])
    expect(other.readNew()).toEqual(['a', 'b', 'c', 'd'])
    expect(one.readNew()).toEqual([])
    expect(one.end).toBe(8)
  })

  it('hands a line over only once it is whole', async () => {
    const { path, one } = await twoWriters()
    for (const part of ['wh', 'o', 'le']) {
      appendFileSync(path, part)
      expect(one.readNew()).toEqual([])
    }
    appendFileSync(path, '\nnext\nhal')
    expect(one.readNew()).toEqual(['whole', 'next'])
    appendFileSync(path, 'f\n')
    expect(one.readNew()).toEqual(['half'])
  })

  it('reads what is larger than one piece, whatever characters lie on its edges', async () => {
    const { one, other } = await twoWriters()
    const lines = Array.from({ length: 50 }, (_, i) => `${i} ${'é🚀'.repeat(5000 + i)}`)
    one.append(lines)
    expect(other.readNew()).toEqual(lines)
    expect(one.appendAndReadBack(lines)).toEqual([...lines, ...lines])
  })

  it('starts behind a torn line that it knows of, and marks that one as torn', async () => {
    const { path, one } = await twoWriters()
    one.append(['whole'])
    appendFileSync(path, 'torn')
    expect(one.readNew()).toEqual(['whole'])
    expect(one.appendAndReadBack(['mine'])).toEqual([`torn${tornMark}`, 'mine'])
  })

  it('writes a line again that was caught in a torn line it did not know of', async () => {
    const { path, one } = await twoWriters()
    appendFileSync(path, 'torn')
    expect(one.appendAndReadBack(['mine', 'more'])).toEqual(['tornmine', 'more', 'mine'])
    expect(readFileSync(path, 'utf8')).toBe('tornmine\nmore\nmine\n')
  })

  it('returns the lines of others together with its own', async () => {
    const { one, other } = await twoWriters()
    other.append(['theirs'])
    expect(one.appendAndReadBack(['mine'])).toEqual(['theirs', 'mine'])
    expect(one.appendAndReadBack(['again'])).toEqual(['again'])
  })

  it('can begin at a position that is known', async () => {
    const { path, one } = await twoWriters()
    one.append(['first', 'second'])
    expect(AppendFile.open(path, { from: 6 }).readNew()).toEqual(['second'])
  })

  it('refuses a line with a newline inside', async () => {
    const { one } = await twoWriters()
    expect(await codeOf(() => one.append(['two\nlines']))).toBe('INVALID_INPUT')
    expect(one.readNew()).toEqual([])
  })

  it('tells when the file is not there any more', async () => {
    const { path, one } = await twoWriters()
    expect(one.isDeleted()).toBe(false)
    unlinkSync(path)
    one.appendAndReadBack(['lost'])
    expect(one.deleted).toBe(true)
  })

  it('notices that something else cuts the file off', async () => {
    const { path, one } = await twoWriters()
    one.append(['a line that is gone', 'and another'])
    one.readNew()
    truncateSync(path, 3)
    expect(await codeOf(() => one.appendAndReadBack(['mine']))).toBe('LOG_CORRUPT')
  })

  it('fails as the system does when there is nothing to open', async () => {
    expect(() => AppendFile.open('/nowhere/at/all')).toThrow(expect.objectContaining({ code: 'ENOENT' }))
  })

  it('shares one trip to the disk between calls that wait for it', async () => {
    const { one } = await twoWriters()
    one.append(['a'])
    const running = one.sync()
    const following = [one.sync(), one.sync()]
    expect(following[0]).toBe(following[1])
    await Promise.all([running, ...following])
  })

  it('refuses everything once closed, but lets a running sync end on its own file', async () => {
    const { path, one } = await twoWriters()
    one.append(['a'])
    const running = one.sync()
    one.close()
    one.close()
    // Would get the same descriptor number, if that were free already.
    writeFileSync(`${path}-2`, '')
    await running
    expect(await codeOf(() => one.append(['b']))).toBe('CLOSED')
    expect(await codeOf(() => one.readNew())).toBe('CLOSED')
    expect(await codeOf(() => one.sync())).toBe('CLOSED')
  })
})
