import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import {
  openRun,
  type PolicyInput,
  type Receipt,
  type Run,
  readCommits,
  runIdSchema,
  type TaskRequest,
} from '@reprise/core'
import { openPlace, type SinglePlace, TestFolders } from '@reprise/test-fleet'
import { startNats, startRedis, type TestServer } from '@reprise/test-servers'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { main } from '../src/main.js'
import { type WorkerLine, workerLineSchema } from '../src/worker/worker-line.js'
import { type Ended, reprise, startReprise } from './reprise.js'

const runId = runIdSchema.parse('work')
const folders = new TestFolders()
let servers: { redis: TestServer; nats: TestServer }
beforeAll(async () => {
  servers = { redis: await startRedis(), nats: await startNats() }
})
afterAll(async () => {
  await folders.removeAll()
  await servers?.redis.stop()
  await servers?.nats.stop()
})

const addressOf = (place: SinglePlace): string => {
  if ('files' in place) return place.files
  return `${'redis' in place ? place.redis : place.nats}?prefix=${place.prefix}`
}
const task = (taskId: string, options: Partial<TaskRequest> = {}): TaskRequest => ({
  ...{ taskId, kind: 'make', input: { taskId }, ...options },
})

/** A run in this process, whose tasks other processes do. */
async function givenRun(tasks: readonly TaskRequest[], policy: PolicyInput = {}, at?: SinglePlace) {
  const folder = await folders.make()
  const place = at ?? { files: join(folder, '.reprise') }
  const adapter = await openPlace(place)
  const run = await openRun({ adapter, runId, goal: 'programs do it', successCriteria: [], policy })
  onTestFinished(async () => {
    await run.close().catch(() => {})
    await adapter.close()
  })
  await run.dispatch(tasks)
  return { folder, adapter, run, at: addressOf(place) }
}

/** Settles every task as it came back. Gives their last receipts. */
async function settle(run: Run): Promise<Map<string, Receipt | null>> {
  const receipts = new Map<string, Receipt | null>()
  for await (const result of run.results()) {
    receipts.set(result.taskId, result.receipt)
    if (result.status === 'stopped') await result.abandon(result.reason ?? '')
    else await result.accept()
  }
  return receipts
}

const linesOf = ({ stdout }: Pick<Ended, 'stdout'>): WorkerLine[] =>
  stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => workerLineSchema.parse(JSON.parse(line)))

/** Bounded by the time of the test. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20))
}
const isRunning = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
async function pidsIn(path: string): Promise<number[]> {
  await until(() => existsSync(path) && readFileSync(path, 'utf8').endsWith('\n'))
  return readFileSync(path, 'utf8').trim().split(/\s+/).map(Number)
}

const story = `
cat > "$REPRISE_ARTIFACTS/task.json"
case $REPRISE_TASK-$REPRISE_ATTEMPT in
  whole-1) echo working; echo '{"output":"done","usage":{"tokens":3}}' ;;
  flaky-1) echo 'no route' >&2; exit 7 ;;
  flaky-2) echo '{"output":"at last"}' ;;
  doomed-1) echo 'never' >&2; exit 100 ;;
esac`

describe('reprise worker', { timeout: 60_000 }, () => {
  it.each(['files', 'redis', 'nats'] as const)(
    'runs a program for each task and sends what came of it: %s',
    async (name) => {
      const place =
        name === 'files' ? undefined : ({ [name]: servers[name].url, prefix: 'cli-worker' } as unknown as SinglePlace)
      const { adapter, run, at } = await givenRun(
        [task('whole'), task('flaky'), task('doomed')],
        { retryBackoffMs: 1 },
        place,
      )
      const worker = startReprise(['worker', '--at', at, '--kind', 'make', '--exec', story, '--json'])
      const receipts = await settle(run)
      expect(receipts.get('whole')).toMatchObject({ status: 'completed', output: 'done', usage: { tokens: 3 } })
      expect(receipts.get('flaky')).toMatchObject({ status: 'completed', output: 'at last', attempt: 2 })
      const [artifact] = receipts.get('whole')?.artifacts ?? []
      expect(artifact).toMatchObject({ name: 'task.json' })
      const chunks: Uint8Array[] = []
      for await (const chunk of adapter.artifacts?.read(artifact!) ?? []) chunks.push(chunk)
      expect(JSON.parse(Buffer.concat(chunks).toString())).toMatchObject({
        taskId: 'whole',
        input: { taskId: 'whole' },
      })

      worker.child.kill('SIGTERM')
      const ended = await worker.ended
      expect(ended).toMatchObject({ code: 143, stderr: '' })
      const lines = linesOf(ended)
      expect(lines[0]).toMatchObject({ event: 'started', kinds: ['make'], lanes: ['default'] })
      expect(lines.at(-1)).toMatchObject({ event: 'stopped', why: 'signal', completed: 2, failed: 2, givenBack: 0 })
      const failed = lines.filter((line) => line.event === 'receipt' && line.status === 'failed')
      expect(failed.map((line) => line.event === 'receipt' && [line.taskId, line.message]).sort()).toEqual([
        ['doomed', 'the program exited with code 100: never'],
        ['flaky', 'the program exited with code 7: no route'],
      ])
    },
  )

  it('that is killed leaves no program running and no folder, and its attempt is done by another one', async () => {
    const { folder, run, at } = await givenRun([task('long')])
    const [pids, go] = [join(folder, 'pids'), join(folder, 'go')]
    // The first delivery never ends by itself, nor does what it has started, and both are deaf.
    const text = `[ -e ${go} ] && exit 0; trap '' TERM; sh -c "trap '' TERM; while :; do sleep 0.2; done" & echo $$ $! > ${pids}; while :; do sleep 0.2; done`
    const first = startReprise([
      'worker',
      '--at',
      at,
      '--kind',
      'make',
      '--exec',
      text,
      '--worker-id',
      'first',
      '--json',
    ])
    const programs = await pidsIn(pids)
    expect(programs.every(isRunning)).toBe(true)
    const home = homeOf(programs[0] ?? 0)
    writeFileSync(go, '')
    first.child.kill('SIGKILL')
    await first.ended
    await until(() => !programs.some(isRunning))
    await until(() => !existsSync(home))
    const second = startReprise(['worker', '--at', at, '--kind', 'make', '--exec', text, '--once', '--json'])
    const receipts = await settle(run)
    expect(receipts.get('long')).toMatchObject({ status: 'completed', attempt: 1 })
    expect(await second.ended).toMatchObject({ code: 0 })
  })

  it('lets what runs end when it is asked to stop, and takes nothing new', async () => {
    const { folder, at } = await givenRun([task('a'), task('b')])
    const [pids, go] = [join(folder, 'pids'), join(folder, 'go')]
    const text = `echo $$ > ${pids}; while [ ! -e ${go} ]; do sleep 0.05; done`
    const worker = startReprise(['worker', '--at', at, '--kind', 'make', '--exec', text, '--json'])
    await pidsIn(pids)
    worker.child.kill('SIGINT')
    await until(() => worker.said.stdout.includes('"stopping"'))
    writeFileSync(go, '')
    const ended = await worker.ended
    expect(ended.code).toBe(130)
    expect(linesOf(ended).at(-1)).toMatchObject({ event: 'stopped', completed: 1, givenBack: 0 })
  })

  it('stops what has not ended in time, and gives the attempt back for another worker', async () => {
    const { folder, run, at } = await givenRun([task('slow')])
    const [pids, go] = [join(folder, 'pids'), join(folder, 'go')]
    const text = `[ -e ${go} ] && exit 0; echo $$ > ${pids}; while :; do sleep 0.1; done`
    const args = ['worker', '--at', at, '--kind', 'make', '--drain', '0', '--json', '--', 'sh', '-c', text]
    const worker = startReprise(args)
    const [pid = 0] = await pidsIn(pids)
    writeFileSync(go, '')
    worker.child.kill('SIGTERM')
    const ended = await worker.ended
    expect(isRunning(pid)).toBe(false)
    expect(linesOf(ended)).toContainEqual(
      expect.objectContaining({ event: 'given-back', taskId: 'slow', code: 'CLOSED' }),
    )
    const second = reprise([...args.slice(0, 5), '--until-idle', '1', '--json', '--', 'sh', '-c', text])
    expect((await settle(run)).get('slow')).toMatchObject({ status: 'completed', attempt: 1 })
    expect(linesOf(await second).at(-1)).toMatchObject({ event: 'stopped', why: 'idle', completed: 1 })
  })

  it('takes one task with --once, signs its receipt, and tells a person what it did', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
    const { folder, adapter, at } = await givenRun([task('a'), task('b')], {
      workerKeys: [{ keyId: 'mine', publicKey: spki }],
    })
    const key = join(folder, 'key.pem')
    writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    const signing = ['--sign', key, '--key-id', 'mine']
    const env = { REPRISE_TOKEN: 'secret' }
    const text = 'echo "{\\"output\\": \\"$REPRISE_AT $REPRISE_TOKEN\\"}"'
    const ended = await reprise(['worker', '--at', at, '--kind', 'make', '--once', '--exec', text, ...signing], { env })
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(ended.stdout).toMatch(
      /takes tasks of kind make from lane default, 1 at once\n.*work a #1 {2}started\n.*work a #1 {2}completed in .*\n.*stopped \(one task was enough\): 1 completed\n$/,
    )
    const receipts = await receiptsIn(adapter.log, 1)
    expect(receipts).toMatchObject([{ taskId: 'a', output: ' ', signature: { keyId: 'mine' } }])
    const passing = await reprise(['worker', '--kind', 'make', '--once', '--pass-at', '--exec', text, ...signing], {
      cwd: folder,
    })
    expect(passing.code).toBe(0)
    expect((await receiptsIn(adapter.log, 2))[1]).toMatchObject({ taskId: 'b', output: `${at} ` })
  })

  it.each([
    [['--kind', 'make'], 2, /--exec COMMAND/],
    [['--kind', 'make', '--exec', 'true', '--', 'true'], 2, /--exec COMMAND/],
    [['--exec', 'true'], 2, /at least one --kind/],
    [['--exec', 'true', '--kind', 'a kind'], 2, /a kind/],
    [['--exec', 'true', '--kind', 'a', '--once', '--concurrency', '2'], 2, /--once/],
    [['--exec', 'true', '--kind', 'a', '--timeout', '1.5'], 2, /--timeout takes a whole number/],
    [['--exec', 'true', '--kind', 'a', '--sign', 'key.pem'], 2, /belong together/],
    [['--exec', 'true', '--kind', 'a', '--cwd', '/no/such'], 3, /no folder \/no\/such/],
  ])('refuses %j', async (args, code, message) => {
    const folder = await folders.make()
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    const world = {
      cwd: folder,
      env: {},
      stdin: new PassThrough(),
      stdout,
      stderr,
      signal: new AbortController().signal,
    }
    expect(await main({ ...world, args: ['worker', '--at', folder, ...args] })).toBe(code)
    expect(stdout.read()).toBe(null)
    expect(String(stderr.read())).toMatch(message)
    expect(readdirSync(folder)).toEqual([])
  })
})

/** Once there are so many: the coordinator takes them in when it likes. */
async function receiptsIn(log: Parameters<typeof readCommits>[0], count: number): Promise<Receipt[]> {
  const receipts: Receipt[] = []
  while (receipts.length < count) {
    receipts.length = 0
    for await (const { events } of readCommits(log, runId)) {
      for (const event of events) if (event.type === 'receipt-received') receipts.push(event.data.receipt)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return receipts
}

/** The folder of the programs of the worker that runs this one. */
function homeOf(pid: number): string {
  const environment = readFileSync(`/proc/${pid}/environ`, 'utf8')
  const folder = /REPRISE_ARTIFACTS=([^\0]+)/.exec(environment)?.[1] ?? ''
  const home = join(folder, '..')
  expect(home.startsWith(tmpdir())).toBe(true)
  expect(statSync(home).mode & 0o077).toBe(0)
  return home
}
