import { describe, expect, it } from 'vitest'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import { MemoryBackend } from '../src/memory/memory-backend.js'
import type { Incident } from '../src/watchdog/incident.js'
import { startWatchdog } from '../src/watchdog/start-watchdog.js'
import { AttemptFailure } from '../src/worker/attempt-failure.js'
import { follow } from './run-stage.js'
import { intervalMs, keys, kinds, type Watching, WatchStage } from './watch-stage.js'

const minuteMs = 60_000

/** A run whose coordinator has died. */
async function deadRun(stage: WatchStage, runId = 'run-1') {
  const held = await stage.open({ runId })
  held.adapter.kill()
  return `coordinator-dead/${runId}/${held.run.status.epoch}`
}

describe('an incident', () => {
  it('is told once, however often the watchdog is closed and started again', async () => {
    const stage = new WatchStage()
    const key = await deadRun(stage)
    const all: Incident[] = []
    for (let life = 0; life < 4; life++) {
      const { watchdog, told } = await stage.watch()
      await stage.clock.advance(5 * minuteMs)
      await stage.clock.run(watchdog.close())
      all.push(...told)
    }
    expect(keys(all)).toEqual([key])
  })

  it('is told once by two watchdogs, of which the second watches when the first was killed', async () => {
    const stage = new WatchStage()
    const first = await stage.watch()
    const second = await stage.watch()
    await stage.clock.advance(minuteMs)
    expect([first.watchdog.active, second.watchdog.active]).toEqual([true, false])
    const one = await deadRun(stage)
    await stage.clock.advance(5 * minuteMs)
    first.adapter.kill({ noticed: false })
    await stage.clock.advance(minuteMs)
    expect(second.watchdog.active).toBe(true)
    const other = await deadRun(stage, 'run-2')
    await stage.clock.advance(10 * minuteMs)
    expect([keys(first.told), keys(second.told)]).toEqual([[one], [other]])
    expect(stage.recorded).toEqual([one, other])
  })

  it('is told by one of two that stood still while the other watched, and the first then waits', async () => {
    const stage = new WatchStage()
    const first = await stage.watch()
    const second = await stage.watch()
    first.runtime.pause()
    await stage.clock.advance(minuteMs)
    const key = await deadRun(stage)
    await stage.clock.advance(5 * minuteMs)
    first.runtime.resume()
    await stage.clock.advance(10 * minuteMs)
    expect([first.watchdog.active, second.watchdog.active]).toEqual([false, true])
    expect([keys(first.told), keys(second.told)]).toEqual([[], [key]])
  })

  it('is recorded once, wherever the watchdog is killed, and told again under the same key at most for its last call', async () => {
    let points = 0
    for (let at = 1; ; at++) {
      const stage = new WatchStage()
      const key = await deadRun(stage)
      const process = stage.process()
      let calls = 0
      stage.intercept(({ pid }) => (pid === process.runtime.pid && ++calls === at ? 'kill' : 'go'))
      const told: Incident[] = []
      const onIncident = (incident: Incident) => void told.push(incident)
      // It may die before it has started.
      const starting = { ...process, intervalMs, onIncident }
      void stage.watch(starting, process).catch(() => {})
      await stage.clock.runUntil(() => process.runtime.state === 'dead' || stage.recorded.length > 0)
      const isDead = process.runtime.state === 'dead'
      await stage.watch({ onIncident })
      await stage.clock.runUntil(() => stage.recorded.length > 0)
      await stage.clock.advance(minuteMs)
      expect(stage.recorded, `killed at call ${at}`).toEqual([key])
      expect(new Set(keys(told))).toEqual(new Set([key]))
      expect(told.length).toBeLessThanOrEqual(2)
      points++
      if (!isDead || at > 400) break
    }
    expect(points).toBeGreaterThan(40)
    expect(points).toBeLessThan(400)
  }, 120_000)

  it('that was over before it could be told is not told, and told when it comes again', async () => {
    const stage = new WatchStage()
    const held = await stage.open()
    const { epoch } = held.run.status
    let works = false
    const told: Incident[] = []
    const over: Incident[] = []
    const { watchdog, errors } = await stage.watch({
      onIncident: (incident) => {
        if (!works) throw new Error('the pager is down')
        told.push(incident)
      },
    })
    watchdog.on('over', (incident) => over.push(incident))
    held.runtime.pause()
    await stage.clock.advance(2 * minuteMs)
    expect(errors).not.toEqual([])
    held.runtime.resume()
    await stage.clock.advance(2 * minuteMs)
    expect(keys(over)).toEqual([`coordinator-dead/run-1/${epoch}`])
    expect(held.run.signal.aborted).toBe(false)
    works = true
    await stage.clock.advance(10 * minuteMs)
    expect(told).toEqual([])
    held.runtime.pause()
    await stage.clock.advance(2 * minuteMs)
    expect(keys(told)).toEqual([`again-2/coordinator-dead/run-1/${epoch}`])
    expect(stage.dataOf('watchdog', 'task-cancelled')).toHaveLength(1)
  })

  it('that is over while the commit which says that it was told is written is told, and not another time', async () => {
    const stage = new WatchStage()
    const held = await stage.open()
    const { watchdog, told, errors } = await stage.watch()
    const said: string[] = []
    watchdog.on('over', ({ key }) => said.push(`over ${key}`))
    watchdog.on('told', ({ key }) => said.push(`told ${key}`))
    let release = (): void => {}
    const released = new Promise<'go'>((resolve) => {
      release = () => resolve('go')
    })
    stage.intercept(({ method, runId }) =>
      method === 'append' && runId === 'watchdog' && told.length > 0 ? released : 'go',
    )
    held.runtime.pause()
    await stage.clock.runUntil(() => told.length > 0)
    held.runtime.resume()
    await stage.clock.advance(2 * intervalMs)
    expect(stage.recorded).toEqual([])
    release()
    await stage.clock.advance(minuteMs)
    held.runtime.pause()
    await stage.clock.advance(5 * minuteMs)
    const key = `coordinator-dead/run-1/${held.run.status.epoch}`
    expect([keys(told), said, stage.recorded, errors]).toEqual([[key], [`told ${key}`], [key], []])
  })

  it('that one watchdog could not tell is taken back by the next, if it is over by then', async () => {
    const stage = new WatchStage()
    await deadRun(stage)
    const refuse = () => {
      throw new Error('no')
    }
    const first = await stage.watch({ onIncident: refuse })
    await stage.clock.advance(minuteMs)
    first.adapter.kill()
    await stage.open()
    const second = await stage.watch()
    await stage.clock.advance(10 * minuteMs)
    expect(second.told).toEqual([])
    expect(stage.dataOf('watchdog', 'task-cancelled')).toHaveLength(1)
  })
})

describe('a notification that fails', () => {
  it('is tried again with growing waits until it succeeds, and each failure is told', async () => {
    const stage = new WatchStage()
    await deadRun(stage)
    const attempts: { attempt: number; at: number }[] = []
    const { errors, watchdog } = await stage.watch({
      onIncident: (_incident, { attempt }) => {
        attempts.push({ attempt, at: stage.clock.now() })
        if (attempts.length < 6) throw new Error(`failure ${attempts.length}`)
      },
    })
    const told: Incident[] = []
    watchdog.on('told', (incident) => told.push(incident))
    await stage.clock.advance(10 * minuteMs)
    expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5, 6])
    const waits = attempts.slice(1).map(({ at }, i) => at - (attempts[i]?.at ?? 0))
    expect(waits).toEqual([...waits].sort((one, other) => one - other))
    expect(waits[0]).toBeGreaterThanOrEqual(1_000)
    expect(errors).toHaveLength(5)
    expect(kinds(told)).toEqual(['coordinator-dead'])
  })

  it('does not hold up the others, and is stopped when it takes too long', async () => {
    const stage = new WatchStage()
    const hanging = await deadRun(stage)
    const other = await deadRun(stage, 'run-2')
    const told: string[] = []
    let stopped = 0
    const watching: Watching = await stage.watch({
      notifyTimeoutMs: 30_000,
      onIncident: ({ key }, { signal }) => {
        if (key !== hanging) return told.push(key)
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            stopped++
            reject(signal.reason)
          })
        })
      },
    })
    await stage.clock.runUntil(() => told.length > 0)
    expect(stopped).toBe(0)
    await stage.clock.advance(5 * minuteMs)
    expect(told).toEqual([other])
    expect(stopped).toBeGreaterThan(2)
    expect(stage.recorded).toEqual([other])
    await stage.clock.run(watching.watchdog.close({ drainMs: 0 }))
  })

  it('keeps no slot when it does not end although it was told to: the others are told', async () => {
    const stage = new WatchStage()
    const hanging = new Set<string>()
    for (let n = 0; n < 8; n++) hanging.add(await deadRun(stage, `run-${n}`))
    const told: string[] = []
    const { watchdog, errors } = await stage.watch({
      notifyTimeoutMs: 30_000,
      onIncident: ({ key }) => (hanging.has(key) ? new Promise(() => {}) : told.push(key)),
    })
    await stage.clock.advance(minuteMs)
    const last = await deadRun(stage, 'run-8')
    await stage.clock.advance(5 * minuteMs)
    expect(told).toEqual([last])
    expect(errors[0]).toMatchObject({ code: 'TIMEOUT' })
    const closing = follow(watchdog.close({ drainMs: 0 }))
    await stage.clock.advance(minuteMs)
    expect(closing.settled).toBe(true)
  })

  it('is given up on record when no further attempt would help, which is told, and the next watchdog leaves it at that', async () => {
    const stage = new WatchStage()
    const key = await deadRun(stage)
    let calls = 0
    const onIncident = () => {
      calls++
      throw new AttemptFailure('nobody is on duty', { retryable: false })
    }
    const { errors, watchdog } = await stage.watch({ onIncident })
    await stage.clock.advance(5 * minuteMs)
    expect(errors).toMatchObject([{ message: 'nobody is on duty' }, { code: 'ATTEMPTS_EXHAUSTED', details: { key } }])
    await stage.clock.run(watchdog.close())
    const next = await stage.watch()
    await stage.clock.advance(5 * minuteMs)
    expect([calls, next.told, stage.dataOf('watchdog', 'task-abandoned').length]).toEqual([1, [], 1])
  })

  it('is given time to end when the watchdog is closed, and is not repeated by the next', async () => {
    const stage = new WatchStage()
    const key = await deadRun(stage)
    const process = stage.process()
    let ended = 0
    const onIncident = async () => {
      await process.runtime.sleep(5_000)
      ended++
    }
    const { watchdog } = await stage.watch({ onIncident }, process)
    await stage.clock.runUntil(() => stage.dataOf('watchdog', 'dispatched').length === 1)
    await stage.clock.run(watchdog.close())
    expect(ended).toBe(1)
    expect(stage.dataOf('watchdog', 'lock-released')).toHaveLength(1)
    const next = await stage.watch()
    await stage.clock.advance(5 * minuteMs)
    expect(next.told).toEqual([])
    expect(stage.recorded).toEqual([key])
  })
})

it('a watchdog that has to wait from its start says so to who listens then', async () => {
  const backend = new MemoryBackend()
  const [one, two] = [memoryAdapter({ backend }), memoryAdapter({ backend })]
  const onIncident = (): void => {}
  const first = await startWatchdog({ adapter: one, onIncident })
  const second = await startWatchdog({ adapter: two, onIncident })
  await new Promise<void>((resolve) => second.once('standby', resolve))
  expect([first.active, second.active]).toEqual([true, false])
  await second.close()
  await first.close()
  await Promise.all([one.close(), two.close()])
})
