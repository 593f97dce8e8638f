import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Delivery } from '@reprise/core/adapter'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import {
  anOffer,
  aPlace,
  gate,
  holderPatienceMs,
  id,
  longClaimMs,
  offersNamed,
  type QueueParts,
  run,
  shortClaimMs,
  taskOf,
  until,
} from './queue-parts.js'

const children: ChildProcess[] = []

const place = aPlace('processes')
const { open } = place

beforeEach(() => () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

interface WorkerProcess {
  readonly process: ChildProcess
  readonly lines: string[]
  saw(line: string): Promise<void>
  /** Tells it to close. Resolves with its exit code. */
  end(): Promise<number | null>
}

async function startWorkerProcess(options: {
  workerId: string
  concurrency: number
  claimTtlMs: number
  /** A file: the handler lets nothing else happen before it is there. */
  blockUntil?: string
  hold?: boolean
  drainMs?: number
}): Promise<WorkerProcess> {
  const script = fileURLToPath(new URL('./queue-worker.mjs', import.meta.url))
  const child = spawn(
    process.execPath,
    [script, JSON.stringify({ url: place.server.url, prefix: place.prefix, ...options })],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  children.push(child)
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  // It may exit before all that it said is here.
  const ended = once(child, 'close') as Promise<[number | null]>
  const saw = (line: string): Promise<void> => until(`${options.workerId} says "${line}"`, () => lines.includes(line))
  await saw('listening')
  const end = async (): Promise<number | null> => {
    child.stdin.write('end\n')
    const [code] = await ended
    return code
  }
  return { process: child, lines, saw, end }
}

/** Lets the blocked one go on, to whom the server has sent by then what the heir told the lane. */
async function goOn({ connection }: QueueParts, file: string): Promise<void> {
  await connection.client.flush()
  await writeFile(file, '')
}

/** The name of a file that is not there yet. */
async function absentFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'reprise-queue-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return join(folder, 'go-on')
}

describe('worker processes', () => {
  it('share 5,000 attempts: each is handled, none twice, and both end by themselves', { timeout: 60_000 }, async () => {
    const { queue } = await open()
    const workers = await Promise.all(
      ['one', 'other'].map((workerId) => startWorkerProcess({ workerId, concurrency: 16, claimTtlMs: longClaimMs })),
    )
    const offers = offersNamed(5_000)
    for (let from = 0; from < offers.length; from += 500) await queue.offer(offers.slice(from, from + 500))
    const began = (): string[] => workers.flatMap(({ lines }) => lines.filter((line) => line.startsWith('began')))
    await until('all are handled', () => began().length >= offers.length, 40_000)
    await until('the last is settled', async () => (await queue.locate(run, id('task-4999'), 1)).at === 'unknown')
    expect(began().sort()).toEqual(offers.map(({ taskId }) => `began ${taskId} 1`).sort())
    expect(await Promise.all(workers.map((worker) => worker.end()))).toEqual([0, 0])
  })

  it('killed with their hands full leave it to others after the time of a claim', async () => {
    const { queue } = await open()
    await queue.offer(offersNamed(8))
    const dead = await startWorkerProcess({
      ...{ workerId: 'dead', concurrency: 8, claimTtlMs: shortClaimMs, hold: true },
    })
    await until('it has them all', () => dead.lines.filter((line) => line.startsWith('began')).length === 8)
    dead.process.kill('SIGKILL')
    const seen: Delivery[] = []
    const heir = await open()
    await heir.queue.consume('default', async (delivery) => void seen.push(delivery), {
      workerId: 'heir',
      concurrency: 2,
      claimTtlMs: shortClaimMs,
    })
    await until('the heir has them all', () => seen.length >= 8)
    expect(seen.map((delivery) => [taskOf(delivery), delivery.deliveries]).sort()).toEqual(
      offersNamed(8).map(({ taskId }) => [taskId, 2]),
    )
  })

  it('that die waiting for work swallow nothing that is offered once the server has seen them go', async () => {
    const { queue, connection } = await open()
    const lane = `CONSUMER.INFO.${place.prefix}-tasks.default`
    const waiting = async (): Promise<number> =>
      (await connection.api<{ num_waiting: number }>(lane, null, { doing: 'Looking' })).num_waiting
    const dead = await Promise.all(
      ['dead-0', 'dead-1', 'dead-2', 'dead-3', 'dead-4'].map((workerId) =>
        startWorkerProcess({ workerId, concurrency: 16, claimTtlMs: longClaimMs, hold: true }),
      ),
    )
    await until('all of them wait', async () => (await waiting()) >= dead.length)
    for (const { process } of dead) {
      process.kill('SIGKILL')
      await once(process, 'exit')
    }
    // What is offered before the server has seen them go may be given to them, and waits for their claim to run out.
    await until('the server has seen them go', async () => (await waiting()) === 0)
    await queue.offer(offersNamed(50))
    const seen = new Set<string>()
    await queue.consume('default', async (delivery) => void seen.add(taskOf(delivery)), {
      workerId: 'heir',
      concurrency: 1,
      claimTtlMs: longClaimMs,
    })
    await until('all are delivered, long before a claim of the dead would run out', () => seen.size === 50)
  })

  it('whose event loop was blocked past the claim learn that it is lost', async () => {
    const { queue } = await open()
    await queue.offer([anOffer('a')])
    const blockUntil = await absentFile()
    const blocked = await startWorkerProcess({
      workerId: 'blocked',
      concurrency: 1,
      claimTtlMs: shortClaimMs,
      blockUntil,
      hold: true,
    })
    await blocked.saw('began a 1')
    const done = gate()
    const seen: Delivery[] = []
    const take = async (delivery: Delivery): Promise<void> => {
      seen.push(delivery)
      await done.opened
    }
    const heir = await open()
    await heir.queue.consume('default', take, { workerId: 'heir', concurrency: 1, claimTtlMs: shortClaimMs })
    await until('another worker has it', () => seen.length === 1)
    await goOn(heir, blockUntil)
    await blocked.saw('aborted a CLAIM_LOST')
    const asking = await open({ holderAnswersMs: holderPatienceMs })
    const where = await asking.queue.locate(run, id('a'), 1)
    expect(where).toMatchObject({ at: 'claimed', workerId: 'heir', deliveries: 2 })
    done.open()
    await until('the heir settles it', async () => (await queue.locate(run, id('a'), 1)).at === 'unknown')
    expect(seen.length).toBe(1)
  })

  it('whose event loop was blocked past the claim do not settle what went to another', async () => {
    const { queue } = await open()
    await queue.offer([anOffer('a')])
    // Its handler returns in the very turn in which it wakes up, before it can hear anything.
    const blockUntil = await absentFile()
    const blocked = await startWorkerProcess({
      ...{ workerId: 'blocked', concurrency: 1, claimTtlMs: shortClaimMs, blockUntil },
    })
    await blocked.saw('began a 1')
    const done = gate()
    let heir: Delivery | undefined
    const take = async (delivery: Delivery): Promise<void> => {
      heir = delivery
      await done.opened
    }
    const parts = await open()
    await parts.queue.consume('default', take, { workerId: 'heir', concurrency: 1, claimTtlMs: shortClaimMs })
    await until('another worker has it', () => heir !== undefined)
    await goOn(parts, blockUntil)
    // It takes the next one once it is done with the first.
    await queue.offer([anOffer('b')])
    await blocked.saw('began b 1')
    const asking = await open({ holderAnswersMs: holderPatienceMs })
    expect(await asking.queue.locate(run, id('a'), 1)).toMatchObject({ at: 'claimed', workerId: 'heir' })
    expect(heir?.signal.aborted).toBe(false)
    done.open()
    await until('the heir settles it', async () => (await queue.locate(run, id('a'), 1)).at === 'unknown')
  })

  it('that end give back what they do not drain, at once', async () => {
    const { queue } = await open()
    await queue.offer(offersNamed(4))
    const ending = await startWorkerProcess({
      workerId: 'ending',
      concurrency: 4,
      claimTtlMs: longClaimMs,
      hold: true,
      drainMs: 50,
    })
    await until('it has them all', () => ending.lines.filter((line) => line.startsWith('began')).length === 4)
    expect(await ending.end()).toBe(0)
    expect(ending.lines.filter((line) => line.endsWith('CLOSED')).length).toBe(4)
    const seen: string[] = []
    await queue.consume('default', async (delivery) => void seen.push(taskOf(delivery)), {
      workerId: 'heir',
      concurrency: 4,
      claimTtlMs: longClaimMs,
    })
    await until('the heir has them all', () => seen.length === 4)
  })
})
