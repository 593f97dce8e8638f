import { execFileSync, fork } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type InboxMessage, limits } from '@reprise/core/adapter'
import { describe, expect, it, onTestFinished } from 'vitest'
import { checkedLine } from '../src/checked-line.js'
import { encodeName } from '../src/file-names.js'
import type { FilesInbox } from '../src/files-inbox.js'
import { aMessage, gate, killWithTest, openParts, run, temporaryFolder, until } from './delivery-parts.js'

const inboxOf = (dir: string): string => join(dir, 'runs', run, 'inbox')
const fileOf = (dir: string, sender: string, part = 1): string =>
  join(inboxOf(dir), `${encodeName(sender)}.${String(part).padStart(6, '0')}.messages`)
const messagesOf = (sender: string, count: number, from = 1): InboxMessage[] =>
  Array.from({ length: count }, (_, i) => aMessage(sender, from + i))

interface Receiving {
  readonly messages: InboxMessage[]
  readonly calls: { readonly count: number; readonly caughtUp: boolean }[]
  stop(): Promise<void>
}

/** Receives what there is and comes. Stopped with the test. */
function receive(inbox: FilesInbox, onBatch: () => Promise<void> = async () => {}): Receiving {
  const abort = new AbortController()
  const messages: InboxMessage[] = []
  const calls: { count: number; caughtUp: boolean }[] = []
  const take = async (batch: readonly InboxMessage[], caughtUp: boolean): Promise<void> => {
    calls.push({ count: batch.length, caughtUp })
    await onBatch()
    messages.push(...batch)
  }
  const received = inbox.receive(run, take, abort.signal)
  const stop = async (): Promise<void> => {
    abort.abort()
    await received
  }
  onTestFinished(stop)
  return { messages, calls, stop }
}

const seqsOf = (messages: readonly InboxMessage[], sender: string): number[] =>
  messages.filter((message) => message.sender === sender).map((message) => message.seq)
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)

describe('the inbox', () => {
  it('brings every message across as it is', async () => {
    const dir = temporaryFolder()
    const { inbox } = openParts(dir)
    const messages: InboxMessage[] = [
      aMessage('w', 1, '{"text":"tab \\t, ünïcode 😀"}'),
      { sender: 'w', seq: 2, kind: 'command', body: '{\n  "two": "lines\\\\n"\n}\\' },
      aMessage('w', 3, ''),
      aMessage('w', 4, `"${'ü'.repeat((limits.messageBytesMax - 2) / 2)}"`),
    ]
    await inbox.send(run, messages)
    const { messages: got } = receive(inbox)
    await until(() => got.length === 4)
    expect(got).toEqual(messages)
  })

  it('says once that all is handed over that was there, also when nothing was', async () => {
    const { inbox } = openParts(temporaryFolder())
    const { calls } = receive(inbox)
    await until(() => calls.length > 0)
    expect(calls).toEqual([{ count: 0, caughtUp: true }])
  })

  it('says so with the last of what was there, and not before', async () => {
    const { inbox } = openParts(temporaryFolder())
    for (const sender of ['a', 'b', 'c']) await inbox.send(run, messagesOf(sender, 700))
    const { calls, messages } = receive(inbox)
    await until(() => messages.length === 2_100)
    expect(calls.every(({ count }) => count <= 512)).toBe(true)
    const first = calls.findIndex(({ caughtUp }) => caughtUp)
    expect(calls.slice(0, first + 1).reduce((sum, { count }) => sum + count, 0)).toBe(2_100)
    for (const sender of ['a', 'b', 'c']) expect(seqsOf(messages, sender)).toEqual(upTo(700))
  })

  it('hands large messages over in small batches', async () => {
    const { inbox } = openParts(temporaryFolder())
    const large = `"${'x'.repeat(400_000)}"`
    await inbox.send(
      run,
      upTo(30).map((seq) => aMessage('w', seq, large)),
    )
    const { calls, messages } = receive(inbox)
    await until(() => messages.length === 30)
    expect(Math.max(...calls.map(({ count }) => count))).toBeLessThanOrEqual(11)
  })

  it('makes a batch of what comes while the handler is busy', async () => {
    const { inbox } = openParts(temporaryFolder())
    const busy = gate()
    const { calls, messages } = receive(inbox, () => busy.opened)
    await until(() => calls.length === 1)
    await Promise.all([inbox.send(run, messagesOf('a', 20)), inbox.send(run, messagesOf('b', 20))])
    busy.open()
    await until(() => messages.length === 40)
    expect(calls.map(({ count }) => count)).toEqual([0, 40])
  })

  it('keeps the order of each of four sending processes', async () => {
    const dir = temporaryFolder()
    const { inbox } = openParts(dir)
    const { messages } = receive(inbox)
    const script = fileURLToPath(new URL('./fixtures/inbox-sender.mjs', import.meta.url))
    const senders = ['s1', 's2', 's3', 's4']
    for (const sender of senders) {
      const child = fork(script, [dir, sender, '250'], { execArgv: [] })
      killWithTest(child)
    }
    await until(() => messages.length >= 1_000)
    for (const sender of senders) {
      expect(seqsOf(messages, sender)).toEqual(upTo(250))
      expect(messages.filter((message) => message.sender === sender).every(({ body }) => body.includes(sender))).toBe(
        true,
      )
    }
  })

  it('hands over again what the handler rejected, in the same order', async () => {
    const { inbox } = openParts(temporaryFolder())
    await inbox.send(run, messagesOf('a', 3))
    let failures = 2
    const { messages, calls } = receive(inbox, async () => {
      if (failures-- > 0) throw new Error('not now')
    })
    await until(() => messages.length === 3)
    expect(calls).toEqual(Array(3).fill({ count: 3, caughtUp: true }))
  })

  it('acknowledges only what a handler has taken: the next receiver gets the rest', async () => {
    const dir = temporaryFolder()
    const first = openParts(dir)
    await first.inbox.send(run, messagesOf('a', 5))
    const taking = receive(first.inbox)
    await until(() => taking.messages.length === 5)
    await taking.stop()
    await first.inbox.send(run, messagesOf('a', 5, 6))
    const failing = receive(first.inbox, async () => {
      throw new Error('died here')
    })
    await until(() => failing.calls.length > 0)
    await failing.stop()
    await first.close()

    const second = openParts(dir)
    const { messages } = receive(second.inbox)
    await until(() => messages.length === 5)
    expect(seqsOf(messages, 'a')).toEqual([6, 7, 8, 9, 10])
  })

  it('loses nothing to a receiver that does not know it was replaced', async () => {
    const dir = temporaryFolder()
    const [zombie, successor] = [openParts(dir), openParts(dir)]
    await zombie.inbox.send(run, messagesOf('a', 3))
    const stuck = gate()
    const old = receive(zombie.inbox, () => stuck.opened)
    await until(() => old.calls.length === 1)
    const current = receive(successor.inbox)
    await until(() => current.messages.length === 3)
    await successor.inbox.send(run, messagesOf('a', 3, 4))
    await until(() => current.messages.length === 6)
    await current.stop()
    // Takes in its old batch only now, and must not take the acknowledgement back to there.
    stuck.open()
    await until(() => old.messages.length >= 3)
    await old.stop()
    const next = receive(successor.inbox)
    await until(() => next.calls.length === 1)
    expect(next.calls).toEqual([{ count: 0, caughtUp: true }])
  })

  it('goes on in another file when one is large, and deletes what was taken in', async () => {
    const dir = temporaryFolder()
    const { inbox } = openParts(dir, { partBytesMax: 1_000 })
    for (let seq = 1; seq <= 200; seq += 10) await inbox.send(run, messagesOf('a', 10, seq))
    const before = readdirSync(inboxOf(dir)).length
    const { messages, stop } = receive(inbox)
    for (let seq = 201; seq <= 400; seq += 10) await inbox.send(run, messagesOf('a', 10, seq))
    await until(() => messages.length === 400)
    expect(seqsOf(messages, 'a')).toEqual(upTo(400))
    expect(before).toBeGreaterThan(3)
    await until(() => readdirSync(inboxOf(dir)).length === 1)
    await stop()
    const again = receive(inbox)
    await inbox.send(run, messagesOf('a', 1, 401))
    await until(() => again.messages.length === 1)
    expect(seqsOf(again.messages, 'a')).toEqual([401])
  })

  it('refuses what no receiver would take, before anything is written', async () => {
    const dir = temporaryFolder()
    const { inbox } = openParts(dir)
    const tooLarge = aMessage('a', 2, 'x'.repeat(limits.messageBytesMax + 1))
    await expect(inbox.send(run, [aMessage('a', 1), tooLarge])).rejects.toMatchObject({ code: 'TOO_LARGE' })
    await expect(inbox.send(run, [aMessage('a', 0)])).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    const { calls } = receive(inbox)
    await until(() => calls.length === 1)
    expect(calls[0]?.count).toBe(0)
  })
})

describe('what stands in the files of an inbox', () => {
  const rubbish: [string, Buffer][] = [
    ['text', Buffer.from('hello\n{"seq":1}\n')],
    ['zeros', Buffer.alloc(100_000)],
    ['zeros with a newline', Buffer.concat([Buffer.alloc(3_000_000), Buffer.from('\n')])],
    ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe, 0xc0, 0x0a, 0x80, 0x0a])],
    ['empty lines', Buffer.from('\n'.repeat(500_000))],
    ['a wrong checksum', Buffer.from('00000000 r1\t\t{}\n')],
    ['a sequence number of no number', Buffer.from(`${checkedLine('rNaN\t\t{}')}\n${checkedLine('r-1\t\t{}')}\n`)],
    ['a sequence number beyond all', Buffer.from(`${checkedLine(`r${'9'.repeat(400)}\t\t{}`)}\n`)],
    ['a kind that there is not', Buffer.from(`${checkedLine('x1\t\t{}')}\n${checkedLine('__proto__')}\n`)],
    ['no tabs', Buffer.from(`${checkedLine('r1')}\n${checkedLine('')}\n${checkedLine('r1\t')}\n`)],
    ['a message too large', Buffer.from(`${checkedLine(`r1\t\t${'x'.repeat(limits.messageBytesMax + 1)}`)}\n`)],
    ['a line too long for anything', Buffer.from(`${checkedLine(`r1\t\t${'x'.repeat(5_000_000)}`)}\n`)],
  ]
  for (const [what, bytes] of rubbish) {
    it(`does not keep back what comes after it: ${what}`, async () => {
      const dir = temporaryFolder()
      const { inbox } = openParts(dir)
      mkdirSync(inboxOf(dir), { recursive: true })
      writeFileSync(fileOf(dir, 'a'), bytes)
      await inbox.send(run, messagesOf('a', 2))
      await inbox.send(run, messagesOf('b', 2))
      const { messages } = receive(inbox)
      await until(() => messages.length === 4)
      expect(seqsOf(messages, 'a')).toEqual([1, 2])
    })
  }

  it('is taken in at every cut, without the line that was torn', async () => {
    const dir = temporaryFolder()
    const { inbox } = openParts(dir)
    await inbox.send(run, messagesOf('cut', 3))
    const whole = readFileSync(fileOf(dir, 'cut'))
    for (let cut = 0; cut <= whole.length; cut++) {
      const kept = whole.subarray(0, cut)
      writeFileSync(fileOf(dir, `cut-${cut}`), kept)
    }
    const { messages, calls } = receive(inbox)
    await until(() => calls.some(({ caughtUp }) => caughtUp))
    for (let cut = 0; cut <= whole.length; cut++) {
      const lines = whole.subarray(0, cut).toString('latin1').split('\n').length - 1
      expect(seqsOf(messages, `cut-${cut}`), `cut at ${cut}`).toEqual(upTo(lines))
    }
  })

  it('does not tear the first message of a sender that comes back after a crash', async () => {
    const dir = temporaryFolder()
    const first = openParts(dir)
    await first.inbox.send(run, messagesOf('a', 2))
    await first.close()
    truncateSync(fileOf(dir, 'a'), readFileSync(fileOf(dir, 'a')).length - 5)
    const second = openParts(dir)
    await second.inbox.send(run, messagesOf('a', 2, 2))
    const { messages } = receive(second.inbox)
    await until(() => messages.length === 3)
    expect(seqsOf(messages, 'a')).toEqual([1, 2, 3])
  })

  it('is not looked for in links, folders, pipes, or under names that nobody sends under', async () => {
    const dir = temporaryFolder()
    const { inbox } = openParts(dir)
    await inbox.send(run, messagesOf('honest', 1))
    const elsewhere = join(dir, 'elsewhere')
    writeFileSync(elsewhere, `${checkedLine('r1\t\t{"stolen":true}')}\n`)
    symlinkSync(elsewhere, fileOf(dir, 'link'))
    mkdirSync(fileOf(dir, 'folder'))
    // Whoever opens it for reading waits for a writer that never comes.
    if (process.platform !== 'win32') execFileSync('mkfifo', [fileOf(dir, 'pipe')])
    for (const name of [
      'UPPER.000001.messages',
      'a b.000001.messages',
      '.000001.messages',
      'x.messages',
      '%2.000001.messages',
    ]) {
      writeFileSync(join(inboxOf(dir), name), `${checkedLine('r1\t\t{}')}\n`)
    }
    const { messages, calls } = receive(inbox)
    await until(() => calls.some(({ caughtUp }) => caughtUp))
    expect(messages.map(({ sender }) => sender)).toEqual(['honest'])
  })

  it('is told apart for senders with hostile and very long names', async () => {
    const dir = temporaryFolder()
    const { inbox } = openParts(dir)
    const senders = [
      '../../../etc/passwd',
      'CON',
      'con',
      'a/b',
      '.',
      '..',
      'x'.repeat(5_000),
      'X'.repeat(5_000),
      'nul\0',
      '',
    ]
    for (const sender of senders) await inbox.send(run, messagesOf(sender, 2))
    const { messages } = receive(inbox)
    await until(() => messages.length >= senders.length * 2)
    for (const sender of senders) expect(seqsOf(messages, sender)).toEqual([1, 2])
    expect(readdirSync(dir)).toEqual(['runs'])
  })

  it('cannot speak for another sender', async () => {
    const dir = temporaryFolder()
    const { inbox } = openParts(dir)
    await inbox.send(run, messagesOf('x'.repeat(5_000), 1))
    const line = checkedLine(`r1\t${JSON.stringify('victim')}\t{}`)
    for (const name of readdirSync(inboxOf(dir))) appendFileSync(join(inboxOf(dir), name), `${line}\n`)
    await inbox.send(run, [aMessage('mallory', 1)])
    appendFileSync(fileOf(dir, 'mallory'), `${line}\n`)
    const { messages, calls } = receive(inbox)
    await until(() => calls.some(({ caughtUp }) => caughtUp))
    expect(messages.map(({ sender }) => sender)).not.toContain('victim')
  })

  it('comes again if its acknowledgement is not readable', async () => {
    const dir = temporaryFolder()
    const { inbox } = openParts(dir)
    await inbox.send(run, messagesOf('a', 2))
    const first = receive(inbox)
    await until(() => first.messages.length === 2)
    await first.stop()
    for (const text of ['', 'rubbish', `${checkedLine('000000000001 9999999999999999')}\n`, '\0'.repeat(64)]) {
      writeFileSync(join(dir, 'runs', run, 'acks', 'a'), text)
      const again = receive(inbox)
      await until(() => again.messages.length === 2)
      await again.stop()
    }
  })
})
