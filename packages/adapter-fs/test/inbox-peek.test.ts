import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { InboxMessage } from '@reprise/core/adapter'
import { describe, expect, it } from 'vitest'
import { checkedLine } from '../src/checked-line.js'
import { encodeName } from '../src/file-names.js'
import { aMessage, openParts, run, temporaryFolder, until } from './delivery-parts.js'

const inboxOf = (dir: string): string => join(dir, 'runs', run, 'inbox')
const fileOf = (dir: string, sender: string): string => join(inboxOf(dir), `${encodeName(sender)}.000001.messages`)
const messagesOf = (sender: string, count: number, from = 1): InboxMessage[] =>
  Array.from({ length: count }, (_, i) => aMessage(sender, from + i))

/** Every file below, with what is in it. */
function contents(dir: string): Record<string, string> {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true })
  return Object.fromEntries(
    files.map((file) => {
      const path = join(file.parentPath, file.name)
      return [path, file.isFile() ? readFileSync(path, 'latin1') : 'no file']
    }),
  )
}

describe('a look into an inbox of files', () => {
  it('makes and changes no file, whether somebody receives or nobody ever did', async () => {
    const dir = temporaryFolder()
    const { inbox } = openParts(dir)
    expect(await inbox.peek(run, 10)).toEqual([])
    expect(contents(dir)).toEqual({})
    await inbox.send(run, messagesOf('a', 3))
    const before = contents(dir)
    expect(await inbox.peek(run, 10)).toEqual(messagesOf('a', 3))
    expect(contents(dir)).toEqual(before)
  })

  it('shows as many of each sender, and the rest of those who have more', async () => {
    const { inbox } = openParts(temporaryFolder())
    for (const [sender, count] of Object.entries({ many: 600, some: 40, one: 1 })) {
      await inbox.send(run, messagesOf(sender, count))
    }
    const found = await inbox.peek(run, 120)
    const countOf = (sender: string) => found.filter((message) => message.sender === sender).length
    expect({ many: countOf('many'), some: countOf('some'), one: countOf('one') }).toEqual({
      many: 79,
      some: 40,
      one: 1,
    })
  })

  it('is not stopped by links, folders, pipes and rubbish in place of messages', async () => {
    const dir = temporaryFolder()
    const { inbox } = openParts(dir)
    await inbox.send(run, messagesOf('honest', 2))
    writeFileSync(join(dir, 'elsewhere'), `${checkedLine('r1\t\t{"stolen":true}')}\n`)
    symlinkSync(join(dir, 'elsewhere'), fileOf(dir, 'link'))
    mkdirSync(fileOf(dir, 'folder'))
    // Whoever opens it for reading waits for a writer that never comes.
    if (process.platform !== 'win32') execFileSync('mkfifo', [fileOf(dir, 'pipe')])
    writeFileSync(fileOf(dir, 'rubbish'), `${'x'.repeat(9_000_000)}\n${checkedLine('r1\t\t{}')}\n${checkedLine('?')}\n`)
    const found = await inbox.peek(run, 10)
    expect(found.map(({ sender, seq }) => `${sender} ${seq}`).sort()).toEqual(['honest 1', 'honest 2', 'rubbish 1'])
  })

  it('goes on in the next file while a receiver takes messages in and deletes the files before', async () => {
    const { inbox } = openParts(temporaryFolder(), { partBytesMax: 1_000 })
    const abort = new AbortController()
    let taken = 0
    let acknowledged = 0
    const receiving = inbox.receive(
      run,
      async (batch) => {
        acknowledged = taken
        taken += batch.length
      },
      abort.signal,
    )
    const total = 600
    const sending = (async () => {
      for (let seq = 1; seq <= total; seq += 10) await inbox.send(run, messagesOf('a', 10, seq))
    })()
    let looks = 0
    let last: readonly InboxMessage[] = []
    await until(async () => {
      const before = acknowledged
      last = await inbox.peek(run, 1_000)
      looks++
      const seqs = last.map(({ seq }) => seq)
      expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b))
      // What was acknowledged before the look is not in it.
      expect(seqs[0] ?? total + 1).toBeGreaterThan(before)
      return taken === total && last.length === 0
    })
    expect(looks).toBeGreaterThan(1)
    await sending
    abort.abort()
    await receiving
  })
})
