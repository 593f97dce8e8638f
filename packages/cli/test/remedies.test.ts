import { generateKeyPairSync } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import type { CommandInput } from '@reprise/core'
import { type Reason, type RunWhy, runWhySchema } from '@reprise/core/replay'
import { TestFolders } from '@reprise/test-fleet'
import { afterEach, expect, it } from 'vitest'
import { RunStage, request } from '../../core/test/run-stage.js'
import { quickWorker, whyOf, whyTaskOf } from '../../core/test/why-stage.js'
import { shellWords } from '../src/complete/shell-words.js'
import { programOf } from '../src/main.js'
import { reprise, repriseJson } from './reprise.js'

const folders = new TestFolders()
afterEach(() => folders.removeAll())

/** An option to who forgets `--`, and two words to who quotes badly. */
const odd = "-it's mine"
const failed = { status: 'failed', output: null, error: { message: 'no disk' } } as const
const usage = { durationMs: 1, tokens: 9 }
const anyPolicy = { attemptTimeoutMs: 3_600_000 }

async function begin(policy: object = {}, tasks = [request(odd)], successCriteria: string[] = []) {
  const stage = new RunStage()
  const holding = await stage.open({ policy: { ...anyPolicy, ...policy }, successCriteria })
  if (tasks.length > 0) await stage.clock.run(holding.run.dispatch(tasks))
  const act = (command: CommandInput) => stage.clock.run(holding.run.execute(command))
  const asked = async (): Promise<Reason[]> => chainsOf(await whyOf(stage))
  return { stage, holding, act, asked }
}

const chainsOf = ({ groups }: RunWhy): Reason[] => groups.flatMap(({ chains }) => chains.flat())

async function afterCommand(...commands: CommandInput[]): Promise<Reason[]> {
  const { act, asked } = await begin({}, [])
  for (const command of commands) await act(command)
  return asked()
}

async function afterAnswer(policy: object, answer: object, settle?: CommandInput): Promise<Reason[]> {
  const { stage, act, asked } = await begin(policy)
  await stage.answer(odd, answer)
  if (settle !== undefined) await act(settle)
  return asked()
}

/** What the command line is told to do, by what it is told about. */
const stories: Readonly<Record<string, readonly [remedy: string, tell: () => Promise<readonly Reason[]>]>> = {
  'no-holder': [
    'reprise resume run-1 --hold',
    async () => {
      const { stage, holding, asked } = await begin()
      await stage.close(holding)
      return asked()
    },
  ],
  'resume-gate-failed': [
    'reprise resume run-1',
    async () => {
      const { stage, holding, asked } = await begin()
      await stage.close(holding)
      const epoch = stage.events.length + 1
      const gates = [{ gate: 'log-integrity', pass: false, evidence: 'x' }]
      const lock = { holder: { id: 'c-2', host: 'h', pid: 2 }, reason: 'free' }
      stage.append([{ type: 'lock-acquired', v: 1, data: lock }], 'c-2', epoch)
      stage.append([{ type: 'resumed', v: 1, data: { gates, corrections: [], redelivered: 0 } }], 'c-2', epoch)
      stage.append([{ type: 'lock-released', v: 1, data: { reason: 'a gate failed' } }], 'c-2', epoch)
      return asked()
    },
  ],
  paused: ['reprise unpause run-1 --reason TEXT', () => afterCommand({ type: 'pause', reason: 'lunch' })],
  blocked: ['reprise unblock run-1 --reason TEXT', () => afterCommand({ type: 'block', reason: 'no disk' })],
  received: ["reprise accept -- run-1 '-it'\\''s mine'", () => afterAnswer({}, {})],
  'stopped, to be tried again': [
    "reprise retry --reason TEXT -- run-1 '-it'\\''s mine'",
    () => afterAnswer({}, {}, { type: 'reject', taskId: odd, reason: 'no good' }),
  ],
  stopped: ["reprise abandon --reason TEXT -- run-1 '-it'\\''s mine'", () => afterAnswer({ attemptsMax: 1 }, failed)],
  unclaimed: ["reprise worker --lane default --kind count --exec 'COMMAND'", async () => (await begin()).asked()],
  'receipt-refused': [
    "reprise task --full -- run-1 '-it'\\''s mine'",
    async () => {
      const key = generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' })
      const { stage, asked } = await begin({ workerKeys: [{ keyId: 'k1', publicKey: key.toString('base64') }] })
      await quickWorker(stage)
      return asked()
    },
  ],
  'budget-used': ['reprise fail run-1 --reason TEXT', () => afterAnswer({ tokensMax: 5 }, { usage })],
  'checkpoint-overdue': [
    'reprise checkpoint set run-1 --due TIME --note TEXT',
    () => afterCommand({ type: 'set-checkpoint', dueAt: '2020-01-01T00:00:00.000Z', note: 'look' }),
  ],
  'criteria-open': [
    'reprise criterion met run-1 1 --evidence TEXT',
    async () => (await begin({}, [], ['all is read'])).asked(),
  ],
  'nothing-dispatched': ['reprise dispatch run-1 TASK --kind KIND', () => afterCommand()],
  'could-complete': [
    'reprise complete run-1 --summary TEXT',
    () => afterAnswer({}, {}, { type: 'accept', taskId: odd }),
  ],
  abandoned: [
    "reprise why -- run-1 '-it'\\''s mine'",
    async () => {
      const { stage, act } = await begin({ attemptsMax: 1 }, [request(odd), request('next', { after: [odd] })])
      await stage.answer(odd, failed)
      await act({ type: 'abandon', taskId: odd, reason: 'no disk will come' })
      return (await whyTaskOf(stage, 'next')).chain
    },
  ],
}

it.each(Object.entries(stories))('what to do about %s is a command line that is taken', async (_, [remedy, tell]) => {
  const reasons = await tell()
  expect(reasons.map((reason) => reason.remedy)).toContain(remedy)
  for (const told of new Set(reasons.map((reason) => reason.remedy))) if (told !== null) await expectTaken(told)
})

async function expectTaken(line: string): Promise<void> {
  const { words, inQuotes } = shellWords(line)
  expect([inQuotes, words[0]], line).toEqual([false, 'reprise'])
  const given = words.slice(1)
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
  const world = { args: given, cwd: '/', env: {}, signal: new AbortController().signal, ...streams }
  let taken: unknown[] = []
  const program = programOf(world, async (_command, _globals, args) => {
    taken = args.flat()
  })
  await program.parseAsync([...given], { from: 'user' }).catch((error: Error) => error)
  expect(String(streams.stderr.read() ?? ''), line).toBe('')
  // A task arrives as it is, whatever it looks like.
  if (line.includes('mine')) expect(taken, line).toContainEqual(odd)
}

it('every command that a reason may name is among these', () => {
  const folder = new URL('../../core/src/replay/', import.meta.url)
  const sources = readdirSync(folder).filter((name) => name.endsWith('.ts'))
  const calls = sources.flatMap((name) => {
    const text = readFileSync(new URL(name, folder), 'utf8').replaceAll(/export function commandLine.*/g, '')
    return [...text.matchAll(/commandLine\(([^[]*)\[/g)].map((match) => match[1] ?? '')
  })
  const named = calls.flatMap((call) => [...call.matchAll(/'([a-z]+(?: [a-z]+)?)'(?=,| :|$)/g)].map(([, name]) => name))
  expect(calls.length).toBeGreaterThan(10)
  const shown = Object.values(stories).map(([remedy]) => remedy)
  for (const name of named)
    expect(
      shown.some((line) => line.startsWith(`reprise ${name} `)),
      name,
    ).toBe(true)
})

it('who does what why says, and nothing else, brings a run to its end', async () => {
  const at = await folders.make()
  const opened = await reprise(['open', 'told', '--at', at, '--goal', 'be done', '--criterion', 'it is done'])
  expect(opened.code).toBe(0)
  const values = { TEXT: 'as told', TASK: 'only', KIND: 'count', COMMAND: 'true' }
  const done: string[] = []
  for (let round = 0; round < 8; round++) {
    const { json } = await repriseJson(['why', 'told', '--at', at])
    const why = runWhySchema.parse(json)
    if (why.verdict === 'closed') break
    for (const remedy of new Set(chainsOf(why).map((reason) => reason.remedy))) {
      if (remedy === null) continue
      const words = shellWords(remedy).words.slice(1)
      // What would go on for ever is asked to end.
      const rest = words[0] === 'worker' ? ['--once'] : []
      const given = words.filter((word) => word !== '--hold').map((word) => values[word as keyof typeof values] ?? word)
      const ended = await reprise([...given, ...rest, '--at', at])
      expect([remedy, ended.code, ended.stderr]).toEqual([remedy, 0, ''])
      done.push(words[0] ?? '')
    }
  }
  expect(done.at(-1)).toBe('complete')
  expect([...new Set(done)].sort()).toEqual(['accept', 'complete', 'criterion', 'dispatch', 'resume', 'worker'])
}, 240_000)
