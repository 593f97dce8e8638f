import { openRun } from '@reprise/core'
import {
  type Reason,
  runOverviewSchema,
  runWhySchema,
  taskDetailsSchema,
  taskRowSchema,
  taskWhySchema,
} from '@reprise/core/replay'
import { openPlace, ProcessFleet, type SinglePlace, TestFolders } from '@reprise/test-fleet'
import { startNats, startRedis } from '@reprise/test-servers'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { task as taskCommand } from '../src/commands/task.js'
import { reprise, repriseJson } from './reprise.js'

const runId = 'asked'
/** Longer than anything here takes on any machine. */
const patience = { timeout: 60_000, interval: 200 }
const fleet = new ProcessFleet()
const folders = new TestFolders()

afterEach(async () => {
  await fleet.endAll()
  await folders.removeAll()
})

const addressOf = (place: SinglePlace): string => {
  if ('files' in place) return place.files
  return 'redis' in place ? `${place.redis}?prefix=${place.prefix}` : `${place.nats}?prefix=${place.prefix}`
}

const places = {
  files: async (): Promise<SinglePlace> => ({ files: await folders.make() }),
  redis: async (): Promise<SinglePlace> => {
    const server = await startRedis()
    onTestFinished(() => server.stop())
    return { redis: server.url, prefix: 'why-test' }
  },
  nats: async (): Promise<SinglePlace> => {
    const server = await startNats()
    onTestFinished(() => server.stop())
    return { nats: server.url, prefix: 'why-test' }
  },
}

const task = (taskId: string, kind: string, more: object = {}) => ({ taskId, kind, input: {}, lane: 'work', ...more })
const tasks = [
  ...[task('held', 'hold'), task('broken', 'stop'), task('fine', 'echo'), task('unserved', 'echo', { lane: 'gpu' })],
  ...[task('next', 'echo', { after: ['broken'] }), task('last', 'echo', { after: ['next'] })],
]

/** A coordinator and a worker, each a process, until one task is held, one is stopped and one waits for a decision. */
async function startFleet(place: SinglePlace) {
  const run = { runId, goal: 'to be asked about', policy: { leaseTtlMs: 2_000 } }
  const coordinator = fleet.start('coordinator', { place, run, tasks, finish: false })
  await coordinator.line('dispatched')
  const worker = fleet.start('worker', { place, lanes: ['work'], concurrency: 4, workerId: 'worker-1' })
  await worker.line('holding')
  return { coordinator, worker }
}

const codesOf = (chain: readonly Reason[] | undefined) => chain?.map(({ code }) => code)

/** Asks until the groups have these codes among them, and not those. */
async function whyWith(at: string, codes: string[], without: string[] = []) {
  const look = async () => {
    const { json, code } = await repriseJson(['why', runId, '--at', at])
    const found = runWhySchema.parse(json)
    const given = found.groups.map((group) => group.code)
    expect(given).toEqual(expect.arrayContaining(codes))
    expect(given.filter((one) => without.includes(one))).toEqual([])
    return { code, found, chainOf: (group: string) => found.groups.find((one) => one.code === group)?.chains[0] }
  }
  return vi.waitFor(look, patience)
}

describe.each(['files', 'redis', 'nats'] as const)('why and status over %s', (name) => {
  it('tell what a run of living processes waits for, and that its coordinator was killed', async () => {
    const place = await places[name]()
    const at = addressOf(place)
    const { coordinator } = await startFleet(place)
    const living = ['stopped', 'received', 'working', 'after']
    // A lease may be renewed late on a busy machine: that shows, and is over by the next look.
    const { code, found, chainOf } = await whyWith(at, living, ['holder-gone', 'no-holder'])
    expect([code, found.verdict, found.unlearnt]).toEqual([1, 'act', []])
    expect(codesOf(chainOf('after'))).toEqual(['after', 'stopped'])
    expect(chainOf('stopped')?.[0]).toMatchObject({
      taskId: 'broken',
      remedy: `reprise retry ${runId} broken --reason TEXT`,
    })
    expect(chainOf('working')?.[0]?.text).toMatch(/^worker worker-1 has attempt 1 of task held/)
    expect(chainOf('unclaimed')?.[0]).toMatchObject({ taskId: 'unserved' })
    const statusNow = async () => runOverviewSchema.parse((await repriseJson(['status', runId, '--at', at])).json)
    await expect.poll(async () => (await statusNow()).holder?.alive, patience).toBe(true)

    await coordinator.kill()
    const killed = await whyWith(at, ['holder-gone'])
    expect(killed.found.groups[0]?.chains[0]?.[0]?.remedy).toBe(`reprise resume ${runId} --hold`)
    expect((await statusNow()).holder).toMatchObject({ alive: false, since: expect.any(String) })
  }, 120_000)
})

describe('the tasks of a run', () => {
  it('are listed, explained and shown with their schemas, and in lines for people', async () => {
    const place = await places.files()
    const at = addressOf(place)
    const { worker } = await startFleet(place)
    const rows = async (...options: string[]) => {
      const { stdout, code } = await reprise(['tasks', runId, '--at', at, '--json', ...options])
      expect(code).toBe(0)
      return stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => taskRowSchema.parse(JSON.parse(line)))
    }
    await expect.poll(async () => (await rows('--failed')).map(({ taskId }) => taskId), patience).toEqual(['broken'])
    expect((await rows('--planned', '--lane', 'work')).map(({ taskId }) => taskId)).toEqual(['next', 'last'])
    const limited = await reprise(['tasks', runId, '--at', at, '--open', '--limit', '2'])
    expect(limited.stdout.split('\n').length).toBe(3)
    expect(limited.stderr).toBe('There are more than 2.\n')

    const { json, code } = await repriseJson(['task', runId, 'broken', '--at', at])
    const { full, ...details } = taskCommand.schema.parse(json) as Record<string, unknown>
    const broken = taskDetailsSchema.parse(details)
    expect(full).toBe(false)
    expect(code).toBe(0)
    expect(broken.receipt?.error).toMatchObject({
      code: 'NO_BRIDGE',
      resumeInstructions: expect.stringMatching(/mile 7/),
    })
    const text = await reprise(['task', runId, 'broken', '--at', at], { env: { COLUMNS: '60' } })
    expect(text.stdout).toMatch(/^to go on\s+start at mile 7 once the bridge stands$/m)
    expect(text.stdout).toMatch(/✗ settled/)
    for (const line of text.stdout.split('\n')) expect(line.length <= 60 || !line.trim().includes(' ')).toBe(true)

    const asked = await reprise(['why', runId, 'next', '--at', at])
    expect(asked.code).toBe(1)
    expect(asked.stdout).toMatch(
      /^… after .* waits for task broken \[\d+\]\n {2}└ ! stopped .*\n {4}\$ reprise retry asked broken/m,
    )
    expect(asked.stderr).toBe('')
    for (const words of [
      ['why', runId],
      ['why', runId, 'next'],
    ]) {
      const narrow = await reprise([...words, '--at', at], { env: { COLUMNS: '30' } })
      const heading = narrow.stdout.slice(0, narrow.stdout.search(/^[!…] /m)).split('\n')
      expect(Math.max(...heading.map((line) => line.length))).toBeLessThanOrEqual(30)
      expect(heading.join(' ')).toMatch(/at\s+version\s+\d+: .*somebody\s+must\s+act/)
    }

    await worker.kill()
    const held = async () =>
      codesOf(taskWhySchema.parse((await repriseJson(['why', runId, 'held', '--at', at])).json).chain)
    await expect.poll(held, patience).toEqual(['silent'])
  }, 120_000)
})

describe('what is asked wrongly', () => {
  it('ends with 3 for runs and tasks that there are not, and with 2 for what is no id', async () => {
    const at = await folders.make()
    const adapter = await openPlace({ files: at })
    onTestFinished(() => adapter.close())
    const run = await openRun({ adapter, runId, goal: 'a\u001b[31mred\u202e goal', policy: { tasksMax: 1 } })
    await run.dispatch({ taskId: 'only', kind: 'echo', input: 1 })
    await run.dispatch({ taskId: 'other', kind: 'echo', input: 1 }).catch(() => {})
    await run.execute({ type: 'pause', reason: 'wait\n\u001b]8;;http://evil\u0007' })
    await run.close()
    const lines = [
      ['why', 'no-run'],
      ['tasks', 'no-run'],
      ['task', runId, 'nope'],
      ['why', 'no id'],
    ]
    const ended = await Promise.all(lines.map((line) => reprise([...line, '--at', at])))
    expect(ended.map(({ code }) => code)).toEqual([3, 3, 3, 2])
    for (const { stdout, stderr } of ended) {
      expect(stdout).toBe('')
      expect(stderr).toMatch(/^reprise: /)
    }
    expect(ended[0]?.stderr).toContain(`There is no run no-run in ${at}`)
    expect(ended[1]?.stderr).toContain(`There is no run no-run in ${at}`)
    expect(ended[2]?.stderr).toContain(`reprise why ${runId} nope`)

    const [never, kept, whole, stands] = await Promise.all([
      repriseJson(['why', runId, 'nope', '--at', at]),
      repriseJson(['why', runId, 'other', '--at', at]),
      reprise(['why', runId, '--at', at, '--color', 'always']),
      reprise(['status', runId, '--at', at]),
    ])
    expect([never.code, taskWhySchema.parse(never.json).chain[0]?.code]).toEqual([3, 'never-came'])
    expect([kept.code, taskWhySchema.parse(kept.json).chain[0]]).toMatchObject([
      3,
      { code: 'kept-out', name: 'tasksMax' },
    ])
    // Of all that a terminal obeys, only our own colours.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
    expect(whole.stdout.replace(/\u001b\[\d+m/g, '')).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
    expect(whole.stdout).toContain('wait\\n\\u{1b}]8;;http://evil\\u{7}')
    expect(stands.stdout).toContain('a\\u{1b}[31mred\\u{202e} goal')
  }, 60_000)
})
