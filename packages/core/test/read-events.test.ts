import { describe, expect, it } from 'vitest'
import { ChainReader } from '../src/log/chain-reader.js'
import type { CommitLog } from '../src/ports/commit-log.js'
import type { EventType } from '../src/protocol/events.js'
import type { RunId } from '../src/protocol/ids.js'
import { commitsFrom } from '../src/replay/commits-from.js'
import { type LoggedEvent, type ReadEventsOptions, readEvents } from '../src/replay/read-events.js'
import { given, settled } from './given-run.js'
import { busyHalf, completedStory } from './golden-logs/golden-story.js'
import { appendLines, loggedRun, runId } from './logged-run.js'

const story = completedStory().lines
const commits = (() => {
  const chain = new ChainReader()
  return story.map((line) => chain.next(line))
})()
/** What reading must give: every event with its version, found without the code under test. */
const all: LoggedEvent[] = commits.flatMap(({ version, events, index, at, actor, epoch }) =>
  events.map(({ type, data, cause }, i) => ({
    ...{ version: version - events.length + i + 1, index, at, actor, epoch, type, data },
    cause: cause ?? null,
  })),
)
const versionsOf = (events: readonly LoggedEvent[]) => events.map(({ version }) => version)

async function eventsOf(log: CommitLog, options: ReadEventsOptions = {}): Promise<LoggedEvent[]> {
  const events = await readEvents(log, runId, options)
  const list: LoggedEvent[] = []
  for await (const event of events ?? []) list.push(event)
  return list
}

/** A long log: many commits of a few events. */
const longLog = (tasks: number) => {
  const run = given({ tasksMax: 100_000 })
  for (let i = 0; i < tasks; i++) run.later(100).and(...settled(`t${i}`))
  return run.lines
}

describe('reading the events of a run', () => {
  it('gives every event once, in order, with its version and its place', async () => {
    const { log } = await loggedRun(story)
    expect(await eventsOf(log)).toEqual(all)
    expect(versionsOf(all)).toEqual(all.map((_, i) => i + 1))
  })

  it('begins and ends with any version', async () => {
    const { log } = await loggedRun(story)
    for (let since = 1; since <= all.length + 1; since++) {
      expect(await eventsOf(log, { since: { version: since } })).toEqual(all.slice(since - 1))
      expect(await eventsOf(log, { until: { version: since } })).toEqual(all.slice(0, since))
      expect(await eventsOf(log, { since: { version: since }, until: { version: since } })).toEqual(
        all.slice(since - 1, since),
      )
    }
  })

  it('gives the newest so many, of those that are wanted', async () => {
    const { log } = await loggedRun(story)
    const types = new Set<EventType>(['dispatched', 'task-accepted'])
    const wanted = all.filter(({ type }) => types.has(type))
    for (let last = 1; last <= all.length + 1; last++) {
      expect(await eventsOf(log, { last })).toEqual(all.slice(-last))
      expect(await eventsOf(log, { last, types })).toEqual(wanted.slice(-last))
    }
    expect(await eventsOf(log, { last: 2, until: { version: 20 } })).toEqual(all.slice(18, 20))
    expect(await eventsOf(log, { last: 3, since: { version: all.length - 1 } })).toEqual(all.slice(-2))
  })

  it('gives what is about a task, whatever its id', async () => {
    const { log } = await loggedRun(story)
    const about = await eventsOf(log, { tasks: new Set(['ä €/😀']) })
    expect(about.map(({ type }) => type)).toEqual(['planned', 'dispatched', 'receipt-received', 'task-accepted'])
    expect(await eventsOf(log, { tasks: new Set(['__proto__', '']) })).toEqual([])
  })

  it('begins at the first commit at or behind a time, and ends before the first behind one', async () => {
    const { log } = await loggedRun(story)
    for (const at of new Set(all.map((event) => event.at))) {
      expect(await eventsOf(log, { since: { at } })).toEqual(all.filter((event) => event.at >= at))
      expect(await eventsOf(log, { until: { at } })).toEqual(all.filter((event) => event.at <= at))
    }
    expect(await eventsOf(log, { since: { at: '2999-01-01T00:00:00.000Z' } })).toEqual([])
  })

  it('reads near the place that it begins with, not the whole log', async () => {
    const lines = longLog(500)
    const { log, read } = await loggedRun(lines)
    const whole = await eventsOf(log)
    for (const since of [1, 350, whole.length / 2, whole.length - 10]) {
      read.lines = 0
      const version = Math.floor(since)
      const events = await eventsOf(log, { since: { version }, until: { version } })
      expect(versionsOf(events)).toEqual([version])
      // A look costs one batch of this adapter, 64 lines; without looks it would be all 1,500.
      expect(read.lines).toBeLessThan(750)
    }
    read.lines = 0
    expect(await eventsOf(log, { last: 10 })).toEqual(whole.slice(-10))
    expect(read.lines).toBeLessThan(30)
    const at = whole.at(-30)?.at ?? ''
    read.lines = 0
    expect(await eventsOf(log, { since: { at } })).toEqual(whole.filter((event) => event.at >= at))
    expect(read.lines).toBeLessThan(750)
  })

  it('knows a run that has no log', async () => {
    const { log } = await loggedRun(story)
    expect(await readEvents(log, 'run-2' as RunId)).toBe(null)
  })
})

describe('reading a run whose log is damaged', () => {
  it('gives everything before the damage, then says where it is', async () => {
    const { log } = await loggedRun([
      ...story.slice(0, 30),
      (story[30] ?? '').replace('"v":1', '"v":2'),
      ...story.slice(31),
    ])
    const seen: number[] = []
    const reading = (async () => {
      for await (const { version } of (await readEvents(log, runId)) ?? []) seen.push(version)
    })()
    await expect(reading).rejects.toMatchObject({ code: 'LOG_CORRUPT', details: { index: 30 } })
    expect(seen).toEqual(all.filter(({ index }) => index < 30).map(({ version }) => version))
  })

  it('does not need a head that can be told', async () => {
    const { log } = await loggedRun(story)
    const headless: CommitLog = { ...log, head: () => Promise.reject(new Error('nobody knows')) }
    expect(await eventsOf(headless)).toEqual(all)
  })
})

describe('following a run', () => {
  const never = new AbortController().signal

  it('gives what comes later, through a take-over, and ends when the run is closed', async () => {
    const half = busyHalf().lines.length
    for (const options of [{}, { last: 5 }, { since: { version: 30 } }, { since: { version: all.length - 1 } }]) {
      const { log } = await loggedRun(story.slice(0, half))
      const events = await readEvents(log, runId, { ...options, follow: never })
      const seen: LoggedEvent[] = []
      const following = (async () => {
        for await (const event of events ?? []) seen.push(event)
      })()
      for (const line of story.slice(half)) await appendLines(log, [line])
      await following
      const first = 'since' in options ? options.since.version : 'last' in options ? seen[0]?.version : 1
      expect(seen).toEqual(all.slice((first ?? 0) - 1))
      if ('last' in options) expect(first).toBe(commits[half - 1]!.version - 4)
    }
  })

  it('ends at once on a run that is closed, wherever it begins', async () => {
    const { log } = await loggedRun(story)
    expect(await eventsOf(log, { follow: never })).toEqual(all)
    expect(await eventsOf(log, { follow: never, last: 2 })).toEqual(all.slice(-2))
    expect(await eventsOf(log, { follow: never, since: { version: all.length + 5 } })).toEqual([])
    expect(await eventsOf(log, { follow: never, types: new Set<EventType>(['paused']) })).toHaveLength(1)
  })

  it('ends when it is told to', async () => {
    const { log } = await loggedRun(busyHalf().lines)
    const stop = new AbortController()
    const events = await readEvents(log, runId, { follow: stop.signal })
    const types: EventType[] = []
    for await (const { type } of events ?? []) {
      types.push(type)
      if (types.length === 40) stop.abort()
    }
    expect(types.length).toBeGreaterThanOrEqual(40)
  })

  it.each([
    ['missed', (lines: readonly string[]) => [...lines.slice(0, 20), ...lines.slice(21)]],
    ['doubled', (lines: readonly string[]) => [...lines.slice(0, 20), lines[19]!, ...lines.slice(20)]],
    ['exchanged', (lines: readonly string[]) => [...lines.slice(0, 19), lines[20]!, lines[19]!, ...lines.slice(21)]],
    [
      'altered',
      (lines: readonly string[]) => lines.map((line, i) => (i === 20 ? line.replace('"v":1', '"v":2') : line)),
    ],
  ])('never passes over a commit that was %s on its way', async (_, alter) => {
    const { log } = await loggedRun(story)
    async function* altered(fromIndex: number) {
      yield alter(story).slice(fromIndex)
    }
    const lying: CommitLog = { ...log, watch: (_id, from) => altered(from), read: (_id, from = 0) => altered(from) }
    for (const fromIndex of [0, 15]) {
      for (const follow of [undefined, never]) {
        const indexes: number[] = []
        const reading = (async () => {
          for await (const { index } of commitsFrom(lying, runId, { fromIndex, follow })) indexes.push(index)
        })()
        await expect(reading).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
        expect(indexes).toEqual(indexes.map((_index, i) => fromIndex + i))
      }
    }
  })
})
